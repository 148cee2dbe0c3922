package hook

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"varve"
)

// Facts are what a hook is told of the run that it belongs to. What is not known yet is zero.
type Facts struct {
	// Hook is before, after, failed, finally, or notice.
	Hook string `json:"hook"`
	// Event is what a notice is about.
	Event string `json:"event,omitempty"`
	Job   string `json:"job"`
	Host  string `json:"host,omitempty"`
	// Series is what the snapshots belong to.
	Series string `json:"series,omitempty"`
	// Store is the place of the first store, as --store takes it, and StoreName what the configuration calls it.
	Store     string `json:"store,omitempty"`
	StoreName string `json:"storeName,omitempty"`
	// Result is one word such as success, incomplete, suspect or failed; empty before the run.
	Result string `json:"result,omitempty"`
	// Exit is the exit code that the run will have; -1 before it is known.
	Exit  int       `json:"exit"`
	Begin time.Time `json:"begin,omitzero"`
	End   time.Time `json:"end,omitzero"`
	Error string    `json:"error,omitempty"`
	// Snapshot is what was made; nil where there is none.
	Snapshot *varve.Snapshot `json:"snapshot,omitempty"`
}

// Env returns the facts as variables:
//
//	VARVE_HOOK VARVE_EVENT VARVE_JOB VARVE_HOST VARVE_SERIES VARVE_STORE VARVE_STORE_NAME VARVE_RESULT VARVE_EXIT VARVE_ERROR
//	VARVE_BEGIN VARVE_END                                         seconds since 1970
//	VARVE_SNAPSHOT                                                its ID
//	VARVE_FILES VARVE_BYTES VARVE_ADDED VARVE_SKIPPED VARVE_VANISHED VARVE_CHANGED
//
// All are there, those that are not known empty.
func (f *Facts) Env() []string {
	env := []string{"VARVE_HOOK=" + f.Hook, "VARVE_EVENT=" + f.Event, "VARVE_JOB=" + f.Job, "VARVE_HOST=" + f.Host,
		"VARVE_SERIES=" + f.Series, "VARVE_STORE=" + f.Store, "VARVE_STORE_NAME=" + f.StoreName, "VARVE_RESULT=" + f.Result,
		"VARVE_EXIT=" + exitCode(f.Exit), "VARVE_ERROR=" + f.Error, "VARVE_BEGIN=" + seconds(f.Begin), "VARVE_END=" + seconds(f.End)}
	s := f.Snapshot
	if s == nil {
		return append(env, "VARVE_SNAPSHOT=", "VARVE_FILES=", "VARVE_BYTES=", "VARVE_ADDED=", "VARVE_SKIPPED=", "VARVE_VANISHED=",
			"VARVE_CHANGED=")
	}
	env = append(env, "VARVE_SNAPSHOT="+s.ID.String())
	for _, c := range []struct {
		name  string
		count int64
	}{{"FILES", s.Files}, {"BYTES", s.Bytes}, {"ADDED", s.Added}, {"SKIPPED", s.Skipped}, {"VANISHED", s.Vanished}, {"CHANGED", s.Changed}} {
		env = append(env, fmt.Sprintf("VARVE_%s=%d", c.name, c.count))
	}
	return env
}

// JSON returns the facts for standard input: one object on one line.
func (f *Facts) JSON() ([]byte, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("describe the run for a hook: %w", err)
	}
	return append(text, '\n'), nil
}

// Told returns c with the facts in its environment, after what it has there, and on its standard input.
func (f *Facts) Told(c Command) (Command, error) {
	text, err := f.JSON()
	c.Env = append(append([]string{}, c.Env...), f.Env()...)
	c.Stdin = text
	return c, err
}

func exitCode(code int) string {
	if code < 0 {
		return ""
	}
	return strconv.Itoa(code)
}

func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}
