// Package config holds the options of `concord serve`: one struct whose tags
// are the table of flags, environment variables, defaults, bounds and help.
// The command line (kong), the checks and the documentation all read it.
//
// A flag goes before an environment variable, which goes before the default.
package config
