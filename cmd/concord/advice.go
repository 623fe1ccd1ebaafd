package main

import (
	"errors"
	"fmt"
	"syscall"

	"concord/store"
)

const adviceVersion = "use the version that wrote it, or a later one"

// dataAdvice adds to an error of opening or writing the data folder what can be done about it.
func dataAdvice(err error, data string) error {
	switch {
	case errors.Is(err, store.ErrFailed):
		return fmt.Errorf("%w; see to the disk, look at the folder with concord check %s, and start the server again", err, data)
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("%w; stop the other server, or choose another folder with --data", err)
	case errors.Is(err, store.ErrVersion):
		return fmt.Errorf("%w; "+adviceVersion, err)
	case errors.Is(err, store.ErrCorrupt):
		return fmt.Errorf("%w; keep a copy of the folder, look at it with concord check %s, and restore a backup", err, data)
	case errors.As(err, new(syscall.Errno)):
		return fmt.Errorf("%w; the server needs a folder that it can make or write; choose one with --data", err)
	}
	return err
}
