package lambda

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Serve is the Invoke API over functions ("Invoke", Lambda API reference): what
// an unmodified SDK calls. Their names must differ.
func Serve(functions ...*Running) http.Handler {
	byName := map[string]*Running{}
	for _, f := range functions {
		byName[f.Name] = f
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{function}/invocations", func(w http.ResponseWriter, r *http.Request) {
		name := unqualified(r.PathValue("function"))
		f := byName[name]
		if f == nil {
			refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+arn(name))
			return
		}
		f.serve(w, r)
	})
	return mux
}

// serve answers one call of Invoke.
func (r *Running) serve(w http.ResponseWriter, req *http.Request) {
	payload, err := io.ReadAll(io.LimitReader(req.Body, maxPayload+1))
	if err != nil {
		return // the caller is gone
	}
	kind := req.Header.Get("X-Amz-Invocation-Type")
	limit := maxPayload
	if kind == "Event" {
		limit = maxAsyncPayload
	}
	switch {
	case len(payload) > limit:
		refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit))
		return
	case len(payload) == 0:
		payload = []byte("{}")
	case !json.Valid(payload):
		refuse(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		return
	}
	switch kind {
	case "", "RequestResponse":
		r.respond(w, req, payload)
	case "Event":
		r.invokeAsync(payload)
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusBadRequest, "InvalidParameterValueException", "Unknown invocation type: want RequestResponse, Event or DryRun")
	}
}

// tail is how much of the log an answer carries when it is asked for.
const tail = 4 << 10

// respond invokes and writes the answer.
func (r *Running) respond(w http.ResponseWriter, req *http.Request, payload []byte) {
	result, err := r.Invoke(req.Context(), payload)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "ServiceException", err.Error())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Requestid", result.RequestID)
	h.Set("X-Amz-Executed-Version", "$LATEST")
	if result.FunctionError != "" {
		h.Set("X-Amz-Function-Error", result.FunctionError)
	}
	if req.Header.Get("X-Amz-Log-Type") == "Tail" {
		log := result.Log[max(0, len(result.Log)-tail):]
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(log))
	}
	w.Write(result.Payload)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("X-Amzn-Errortype", kind)
	reply(w, status, map[string]string{"Type": "User", "Message": message})
}

// unqualified takes the function's name out of a name, a partial or a full ARN,
// with or without a version.
func unqualified(function string) string {
	if _, name, ok := strings.Cut(function, "function:"); ok {
		function = name
	}
	name, _, _ := strings.Cut(function, ":")
	return name
}

func arn(name string) string {
	return "arn:aws:lambda:eu-west-1:111122223333:function:" + name
}
