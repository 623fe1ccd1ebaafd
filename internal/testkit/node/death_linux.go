package node

import "syscall"

// dieWithParent makes the kernel kill the process when the thread that starts it ends: a killed test leaves no node.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
