//go:build !linux

package node

import "syscall"

// dieWithParent does nothing where the kernel has no such wish to grant.
func dieWithParent() *syscall.SysProcAttr { return nil }
