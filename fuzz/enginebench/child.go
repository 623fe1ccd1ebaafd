package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// nodeProcess starts engine.mjs, one process for each task.
type nodeProcess struct{ script string }

func (n nodeProcess) run(task, base string, budget time.Duration) (result, error) {
	return output(exec.Command("node", "--expose-gc", "--max-old-space-size=8192", n.script, task, base,
		strconv.FormatInt(budget.Milliseconds(), 10)))
}

// ownProcess starts this program again, for one task of an engine that Go can call.
type ownProcess struct{ engine string }

func (o ownProcess) run(task, base string, budget time.Duration) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Args = append(cmd.Args, o.engine, task, base, budget.String())
	return output(cmd)
}

// childEnv makes a process of this program run one task and print its result.
const childEnv = "ENGINEBENCH_CHILD"

func output(cmd *exec.Cmd) (res result, err error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return res, fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(stderr.Bytes()))
	}
	if err := json.Unmarshal(out, &res); err != nil {
		return res, fmt.Errorf("%s printed %q: %w", cmd, out, err)
	}
	return res, nil
}

// child runs one task in this process.
func child(args []string) error {
	if len(args) != 4 {
		return errors.New("a child needs an engine, a task, a path and a budget")
	}
	e, task := engines[args[0]], tasks[args[1]]
	if e == nil || task == nil {
		return fmt.Errorf("there is no task %s of an engine %s", args[1], args[0])
	}
	budget, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	res, err := task(run{engine: e, base: args[2], budget: budget})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}
