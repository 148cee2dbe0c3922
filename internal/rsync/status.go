package rsync

import (
	"errors"
	"fmt"
	"strconv"
)

// Exit statuses of rsync that mean something here.
const (
	statusGood     = 0
	statusUsage    = 1
	statusFileIO   = 11 // a file could not be read or written: also a commit that failed
	statusProtocol = 12 // the other side broke off
	statusStart    = 14 // rsync could not be run
	statusSignal   = 20
	statusPartial  = 23
	statusVanished = 24
	statusNetwork  = 10
	statusSilent   = 30
	statusNoAnswer = 35
)

// meanings are the words that rsync(1) has for its exit statuses.
var meanings = map[int]string{
	1:   "usage",
	2:   "the two sides share no version of the protocol",
	3:   "files or directories cannot be used",
	4:   "an option that the other side does not support",
	5:   "the server refused, or the password is wrong",
	10:  "network",
	11:  "a file cannot be read or written",
	12:  "the other side broke off, or what it sent makes no sense",
	13:  "a program broke off",
	14:  "processes cannot talk to one another",
	20:  "interrupted by a signal",
	21:  "a process cannot be waited for",
	22:  "out of memory",
	23:  "not everything was transferred",
	24:  "files vanished before they could be transferred",
	25:  "too many deletions",
	30:  "the other side was silent for too long",
	35:  "the daemon did not answer in time",
	124: "the remote shell failed",
	125: "the remote shell was killed",
	126: "the remote command cannot be run",
	127: "the remote command was not found",
}

// statusError says that rsync ended with a status that leaves no snapshot.
type statusError int

func (s statusError) Error() string {
	text := "rsync ended with status " + strconv.Itoa(int(s))
	if meaning := meanings[int(s)]; meaning != "" {
		text += ": " + meaning
	}
	return text
}

// ErrUnreachable says that there was no connection to the daemon, or none that went on.
var ErrUnreachable = errors.New("the daemon cannot be reached")

func (s statusError) Is(target error) bool {
	return target == ErrUnreachable && (s == statusNetwork || s == statusSilent || s == statusNoAnswer)
}

// signalError says that rsync was killed.
func signalError(name string) error { return fmt.Errorf("rsync was ended by a signal: %s", name) }
