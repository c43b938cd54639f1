package edge

import (
	"net/http"
	"strconv"
	"time"
)

// An Action is what a Step does to a call. The zero value does nothing.
type Action struct {
	kind    kind
	refusal *Refusal
	raw     Response
}

type kind int

const (
	none kind = iota
	refuse
	cutBody
	repeatToken
	hang
	raw
)

// Answer refuses with an error of the service's own protocol. AccessDenied,
// Throttling and their like may be given by either of their names; what is given
// is what is sent.
func Answer(status int, code, message string) Action {
	return Action{kind: refuse, refusal: &Refusal{Status: status, Code: code, Message: message}}
}

// CutBody promises the whole answer and closes the connection in its middle.
func CutBody() Action { return Action{kind: cutBody} }

// RepeatToken answers with the token of the page that was asked for, instead of
// the next one's.
func RepeatToken() Action { return Action{kind: repeatToken} }

// Hang answers nothing until the client gives up.
func Hang() Action { return Action{kind: hang} }

// Raw answers with bytes that no AWS service would send, such as a proxy's page.
func Raw(status int, contentType, body string) Action {
	return Action{kind: raw, raw: Response{Status: status, Header: map[string]string{"Content-Type": contentType}, Body: []byte(body)}}
}

func (a Action) send(w http.ResponseWriter, r *http.Request, resp Response) {
	switch a.kind {
	case hang:
		<-r.Context().Done()
		return
	case raw:
		resp = a.raw
	}
	for k, v := range resp.Header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(resp.Body)))
	w.WriteHeader(resp.Status)
	if a.kind == cutBody {
		_, _ = w.Write(resp.Body[:len(resp.Body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the way net/http closes a connection in mid answer
	}
	_, _ = w.Write(resp.Body) // a client that went away needs no answer
}

// wait lets d pass and says whether the client is still there.
func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
