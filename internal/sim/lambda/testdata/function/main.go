// A function that does what its event asks for, so that a test can see each way
// an invocation can end.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type order struct {
	Do string
}

func handle(ctx context.Context, o order) (map[string]any, error) {
	fmt.Println("asked to", o.Do)
	switch o.Do {
	case "fail":
		return nil, errors.New("as asked")
	case "panic":
		panic("as asked")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Hour)
	case "boast":
		return map[string]any{"text": strings.Repeat("x", 7<<20)}, nil
	case "fail-twice":
		return nil, failTwice(os.Getenv("COUNTER"))
	}
	call, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"request": call.AwsRequestID,
		"arn":     call.InvokedFunctionArn,
		"left":    time.Until(deadline).Round(time.Minute).String(),
		"pid":     os.Getpid(),
		"home":    os.Getenv("HOME"),
		"word":    os.Getenv("WORD"),
	}, nil
}

// failTwice counts its calls in a file, one byte each.
func failTwice(path string) error {
	b, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(b, 'x'), 0o600); err != nil {
		return err
	}
	if len(b) < 2 {
		return errors.New("not yet")
	}
	return nil
}

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("no configuration")
		os.Exit(1)
	case "sleep":
		time.Sleep(time.Hour)
	case "error":
		body := strings.NewReader(`{"errorType":"Init.Broken","errorMessage":"as asked"}`)
		if _, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", body); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	lambda.Start(handle)
}
