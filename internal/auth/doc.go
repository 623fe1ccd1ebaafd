// Package auth decides who a caller is and whether a connection may begin or
// go on: JSON Web Tokens and their keys, one-time tickets, revocations,
// origins, client addresses and connection counts.
//
// A [Verifier] turns a token into a [Principal]; [Tickets] trades a principal
// for a short string that fits into a URL; [Revocations] ends tokens early;
// [Authenticator] joins the three for an HTTP request. Nothing of a token
// appears in an error text or a log line of this package.
//
// All types are safe for concurrent use unless they say otherwise.
package auth
