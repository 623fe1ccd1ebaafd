package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Option is one row of the table of options.
type Option struct {
	Flag    string // without the dashes
	Env     string
	Default string // "" if none
	Help    string
	Group   string
	Min     string // "" if unbounded
	Max     string // "" if unbounded
	Enum    []string

	field int // index in Serve
}

// Options returns the table, in the order of the struct.
func Options() []Option {
	t := reflect.TypeFor[Serve]()
	options := make([]Option, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		o := Option{
			Flag: tag.Get("name"), Env: tag.Get("env"), Default: tag.Get("default"), Group: tag.Get("group"),
			Min: tag.Get("min"), Max: tag.Get("max"), field: i,
		}
		if enum := tag.Get("enum"); enum != "" {
			o.Enum = strings.Split(enum, ",")
		}
		o.Help = strings.ReplaceAll(tag.Get("help"), "${enum}", strings.Join(o.Enum, ", "))
		options = append(options, o)
	}
	return options
}

// name names the option in an error message.
func (o Option) name() string { return fmt.Sprintf("--%s (%s)", o.Flag, o.Env) }

// Default returns the configuration of a command line and environment that set nothing.
func Default() Serve {
	var s Serve
	value := reflect.ValueOf(&s).Elem()
	for _, o := range Options() {
		if o.Default == "" {
			continue
		}
		if err := set(value.Field(o.field), o.Default); err != nil {
			panic(fmt.Sprintf("config: default of --%s: %v", o.Flag, err)) // a mistake in the table
		}
	}
	return s
}

// set parses text into a field.
func set(field reflect.Value, text string) error {
	switch target := field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *string:
		*target = text
	case *int:
		n, err := strconv.Atoi(text)
		*target = n
		return err
	case *time.Duration:
		d, err := time.ParseDuration(text)
		*target = d
		return err
	default:
		return fmt.Errorf("no way to parse a %s", field.Type())
	}
	return nil
}

// Markdown renders the table of options for documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| flag | environment | default | |\n|---|---|---|---|\n")
	for _, o := range Options() {
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", o.Flag, o.Env, code(o.Default), cell(o.Help+o.bounds()))
	}
	return b.String()
}

// bounds says in words which values are fine, "" if all are.
func (o Option) bounds() string {
	if o.Min == "" && o.Max == "" {
		return ""
	}
	return fmt.Sprintf(" %s to %s.", o.Min, o.Max)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "\n", " ").Replace(s)
}
