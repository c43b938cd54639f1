package worker

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// margin is enough to note in the ledger what was done, and to answer SQS.
const margin = 5 * time.Second

// Start serves a function's queue for as long as Lambda lets the process live.
// It is the last line of every function's main.
func Start(function string, handle Handler) {
	w := Worker{
		Function: function, Handle: handle, Now: time.Now,
		Log: slog.New(lambdacontext.NewLogHandler()), Metrics: os.Stdout, Margin: margin,
	}
	lambda.Start(w.Batch)
}
