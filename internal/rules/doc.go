// Package rules reads what all parts of a rules file have in common: YAML with the
// place of each mistake, names, paths, and conditions on documents. Open reads the
// file; the packages that know what a section means read it with the Reader's
// help.
package rules
