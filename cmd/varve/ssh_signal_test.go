package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"varve/internal/sshtest"
)

func TestASignalEndsARunWhoseConnectionHasFallenSilent(t *testing.T) {
	program, err := exec.LookPath("varve")
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"tree over SFTP":    {"backup", "--init", "-s", "far:store", "src"},
		"tree with varve":   {"backup", "--init", "-s", "ssh://farHOME/store", "src"},
		"source with varve": {"backup", "--init", "-s", "store", "ssh://farHOME/src"},
	} {
		t.Run(name, func(t *testing.T) {
			o := start(t, sshtest.Options{})
			o.fill(o.at("src"), 40, 100<<10)
			o.fill(o.there("src"), 40, 100<<10)
			far, p := o.through(sshtest.Faults{StallAfter: 300 << 10})
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "HOME", o.Home)
			}
			cmd := far.process(t.Context(), append(args, "--remote-varve", program)...)
			var text strings.Builder
			cmd.Stderr = &text
			o.must(spawn(cmd))
			ended := make(chan error)
			go func() { ended <- cmd.Wait() }()
			for deadline := time.Now().Add(patience / 6); p.Counts().Stalls == 0 && time.Now().Before(deadline); {
				_ = sleep(t.Context(), time.Millisecond)
			}
			begin := time.Now()
			err := errors.Join(cmd.Process.Signal(os.Interrupt), <-ended)
			var exit *exec.ExitError
			if took := time.Since(begin); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted || took > 20*time.Second {
				t.Errorf("%v after %v, %+v: %s", err, took, p.Counts(), &text)
			}
		})
	}
}
