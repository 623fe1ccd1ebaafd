// Package limit bounds how often something is done: by a connection, by a user over
// all connections, and by a company over all users. What is too much is refused with
// an error that names the limit and says when to try again.
package limit
