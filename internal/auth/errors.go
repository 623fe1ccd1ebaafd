package auth

import "errors"

// Kinds of refusal. Every error about a caller's credentials is an [*Error]
// that matches exactly one of them with [errors.Is].
var (
	// ErrMissing is returned when a request carries no credentials.
	ErrMissing = errors.New("no credentials")
	// ErrAmbiguous is returned when a request carries credentials in more than one way.
	ErrAmbiguous = errors.New("more than one credential")
	// ErrTokenInURL is returned when a token was put into a URL, where proxies and browsers keep it.
	ErrTokenInURL = errors.New("token in URL")
	// ErrTooLarge is returned when a token or query is longer than the limit.
	ErrTooLarge = errors.New("credentials too large")
	// ErrMalformed is returned when a token or header can't be parsed.
	ErrMalformed = errors.New("malformed credentials")
	// ErrAlgorithm is returned when a token's algorithm isn't allowed, or not for its key.
	ErrAlgorithm = errors.New("algorithm not allowed")
	// ErrUnknownKey is returned when no configured key fits the token.
	ErrUnknownKey = errors.New("unknown key")
	// ErrSignature is returned when the signature doesn't match.
	ErrSignature = errors.New("bad signature")
	// ErrClaims is returned when a claim is missing, of the wrong type or out of bounds.
	ErrClaims = errors.New("bad claims")
	// ErrIssuer is returned when iss or aud isn't what the server was configured to accept.
	ErrIssuer = errors.New("wrong issuer or audience")
	// ErrExpired is returned when a token is past its exp.
	ErrExpired = errors.New("token expired")
	// ErrNotYetValid is returned when nbf or iat lies in the future.
	ErrNotYetValid = errors.New("token not yet valid")
	// ErrRevoked is returned when the user or the token was revoked.
	ErrRevoked = errors.New("revoked")
	// ErrBadRevocation is returned when a revocation can't concern any user or token.
	ErrBadRevocation = errors.New("bad revocation")
	// ErrTicket is returned when a ticket is unknown, used or expired; the three look the same.
	ErrTicket = errors.New("ticket not valid")
	// ErrUnavailable is returned when the answer isn't known at the moment, because the
	// key server can't be reached or the ticket table is full. The caller may try again.
	ErrUnavailable = errors.New("temporarily unavailable")
)

// Error is a refusal. It holds nothing of the token that was refused.
type Error struct {
	// Kind is one of the sentinels of this package.
	Kind error
	// Message says what happened and what to do. It may be shown to the caller.
	Message string
	// Cause is for the log; nil if there is nothing to add.
	Cause error
}

// Error returns the public message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// Temporary reports whether the same credentials may succeed later without
// any change (a 503 or close code 1013 rather than 401 or 4401).
func (e *Error) Temporary() bool { return e.Kind == ErrUnavailable }

// PublicMessage returns what the caller may be told about err: the message of
// the [*Error] inside, or a general sentence if there is none.
func PublicMessage(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	return "The credentials could not be checked. Try again."
}

func refuse(kind error, message string) *Error {
	return &Error{Kind: kind, Message: message}
}

func refuseWith(kind error, message string, cause error) *Error {
	return &Error{Kind: kind, Message: message, Cause: cause}
}
