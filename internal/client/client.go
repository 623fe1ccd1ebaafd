// Package client calls the REST endpoints of a Concord server.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds an answer that is read as a whole.
const maxBody = 1 << 30

// Client calls one server with one token. It is safe for concurrent use.
type Client struct {
	Server string // http://host:port, with or without a slash at the end
	Token  string
	HTTP   *http.Client // nil = http.DefaultClient
}

// Request is one call. Body may be nil; Type is its media type.
type Request struct {
	Method, Path string
	Query        url.Values // empty values are left out
	Header       http.Header
	Body         io.Reader
	Type         string
}

// Error is an answer that says what is wrong.
type Error struct {
	Status  int
	Detail  string
	Details []string // of single fields
	Header  http.Header
}

// Error returns what the server says.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
	}
	if len(e.Details) > 0 {
		text += ": " + strings.Join(e.Details, "; ")
	}
	return text
}

// IsStatus reports whether err is an answer with a status.
func IsStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// Do sends a request and returns the answer, whose body is the caller's to
// close. A status of 400 or more is an *Error.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	base, err := url.Parse(strings.TrimSuffix(c.Server, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%q isn't the address of a server; it looks like http://127.0.0.1:8080", c.Server)
	}
	target := strings.TrimSuffix(c.Server, "/") + r.Path
	if q := filled(r.Query).Encode(); q != "" {
		target += "?" + q
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, r.Body)
	if err != nil {
		return nil, err
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if r.Type != "" {
		req.Header.Set("Content-Type", r.Type)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return nil, unreachable(err, c.Server)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}

func filled(q url.Values) url.Values {
	out := make(url.Values, len(q))
	for k, all := range q {
		for _, v := range all {
			if v != "" {
				out.Add(k, v)
			}
		}
	}
	return out
}

func unreachable(err error, server string) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("no server at %s (%w); start one, or name another with --server or CONCORD_URL", server, op.Err)
	}
	return err
}

// readError reads problem+json (RFC 9457), or whatever a proxy has said instead.
func readError(resp *http.Response) error {
	e := &Error{Status: resp.StatusCode, Header: resp.Header}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return e
	}
	var problem struct {
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	if json.Unmarshal(b, &problem) == nil {
		e.Detail = problem.Detail
		for _, d := range problem.Errors {
			e.Details = append(e.Details, strings.TrimPrefix(d.Location+": "+d.Message, ": "))
		}
	}
	return e
}

// JSON sends a request, with in as its body unless it is nil, and reads the
// answer into out unless that is nil. It returns the answer's header.
func (c *Client) JSON(ctx context.Context, r Request, in, out any) (http.Header, error) {
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		r.Body = bytes.NewReader(b)
		if r.Type == "" {
			r.Type = "application/json"
		}
	}
	b, header, err := c.Bytes(ctx, r)
	if err != nil || out == nil || len(b) == 0 {
		return header, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		return header, fmt.Errorf("read the server's answer: %w", err)
	}
	return header, nil
}

// Bytes sends a request and returns the body of the answer.
func (c *Client) Bytes(ctx context.Context, r Request) ([]byte, http.Header, error) {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return b, resp.Header, nil
}

// Retry calls do again while the server says that it is busy or about to
// restart, up to a minute, with growing pauses.
func Retry(ctx context.Context, do func() error) error {
	pause := 200 * time.Millisecond
	for end := time.Now().Add(time.Minute); ; pause = min(2*pause, 5*time.Second) {
		err := do()
		var e *Error
		var op *net.OpError
		again := errors.As(err, &e) && (e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests) ||
			errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if !again || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
