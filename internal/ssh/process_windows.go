package ssh

import (
	"os"
	"os/exec"
)

// apart returns the command that runs program without anybody to ask.
func apart(program string, args []string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), noQuestions)
	return cmd
}

// sharing returns the command that runs program at our console.
func sharing(program string, args []string) *exec.Cmd { return exec.Command(program, args...) }

// terminate asks p to end; Windows has no way to ask.
func terminate(p *os.Process) { kill(p) }

// kill ends p.
func kill(p *os.Process) { _ = p.Kill() }
