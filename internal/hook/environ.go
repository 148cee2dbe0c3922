package hook

import (
	"slices"
	"strings"
)

// owner is a user to run as.
type owner struct {
	name, home, shell string
	uid, gid          uint32
	groups            []uint32
	other             bool // it is not who runs varve
}

// ours are the variables that are for varve alone; those that end in _ stand for all that begin so.
var ours = []string{"VARVE_", "AWS_", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
	"CREDENTIALS_DIRECTORY", "INVOCATION_ID"}

// shared are those of ours that a varve run by a command should have as well.
var shared = []string{"VARVE_SSH", "VARVE_STATE_DIR", "VARVE_CACHE_DIR"}

// personal are the variables that belong to one user.
var personal = []string{"MAIL", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "XDG_", "SUDO_", "HOME", "USER", "LOGNAME", "SHELL"}

// environment returns what of all variables a command run as who gets.
func environment(all []string, who owner) []string {
	var env []string
	for _, v := range all {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case named(ours, name) && !slices.Contains(shared, name):
		case who.other && named(personal, name):
		default:
			env = append(env, v)
		}
	}
	if who.other {
		env = append(env, "HOME="+who.home, "USER="+who.name, "LOGNAME="+who.name, "SHELL="+who.shell)
	}
	return env
}

func named(list []string, name string) bool {
	return slices.ContainsFunc(list, func(n string) bool {
		return n == name || strings.HasSuffix(n, "_") && strings.HasPrefix(name, n)
	})
}
