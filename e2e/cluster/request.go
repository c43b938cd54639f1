//go:build unix

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A StatusError is an answer other than a 2xx.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// request sends a body of a media type and returns the answer's, or a *StatusError.
func request(ctx context.Context, client *http.Client, method, url, mediaType string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &StatusError{Code: resp.StatusCode, Message: message(answer)}
	}
	return answer, nil
}

// message is that of a Kubernetes Status, or else the whole answer.
func message(answer []byte) string {
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &status) == nil && status.Message != "" {
		return status.Message
	}
	return string(answer)
}

// answers says whether a GET of url succeeds.
func answers(ctx context.Context, client *http.Client, url string) error {
	_, err := request(ctx, client, http.MethodGet, url, "", nil)
	return err
}

// eventually asks until there is no error, until stop is closed or patience is over, and
// returns the last error then.
func eventually(ctx context.Context, stop <-chan struct{}, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	next := time.NewTicker(poll)
	defer next.Stop()
	var err error
	for {
		select {
		case <-stop: // whoever answers now is another
			return errors.Join(errors.New("it ended"), err)
		default:
		}
		if err = ask(); err == nil {
			return nil
		}
		select {
		case <-next.C:
		case <-stop:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
