package worker

import (
	"io"
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
		Log: NewLog(os.Stdout), Metrics: os.Stdout, Margin: margin,
	}
	lambda.Start(w.Batch)
}

// NewLog writes a line of JSON each time, under the names that Lambda has for what
// every line has. Lambda's own handler would write so only where the function's log
// format is JSON too; CloudWatch finds the fields that the dashboard and the runbooks
// ask for in JSON, whatever that format is.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
func NewLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr}))
}
