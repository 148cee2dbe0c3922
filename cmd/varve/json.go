package main

import (
	"fmt"
	"time"
	"unicode/utf8"

	"varve"
)

// jsonPath is a path in JSON. Text there is UTF-8 and paths need not be: where a path is not, Base64 has its bytes, and Path has
// U+FFFD for what is invalid.
type jsonPath struct {
	Path   string `json:"path"`
	Base64 []byte `json:"path_base64,omitempty"`
}

// pathOf returns path, relative to the root, as an absolute one.
func pathOf(path string) jsonPath { return rawPath("/" + path) }

// rawPath returns a path as it is.
func rawPath(path string) jsonPath {
	if utf8.ValidString(path) {
		return jsonPath{Path: path}
	}
	return jsonPath{Path: path, Base64: []byte(path)}
}

// jsonEntry is an entry in JSON.
type jsonEntry struct {
	Snapshot string `json:"snapshot,omitempty"`
	jsonPath
	Type         string `json:"type"`
	Mode         string `json:"mode"`
	UID          uint32 `json:"uid"`
	GID          uint32 `json:"gid"`
	User         string `json:"user,omitempty"`
	Group        string `json:"group,omitempty"`
	Size         int64  `json:"size"`
	MTime        string `json:"mtime"`
	Target       string `json:"target,omitempty"`
	TargetBase64 []byte `json:"target_base64,omitempty"`
	SameAs       string `json:"same_as,omitempty"`
	SameAsBase64 []byte `json:"same_as_base64,omitempty"`
	Digest       string `json:"digest,omitempty"`
	Device       string `json:"device,omitempty"`
}

// newJSONEntry returns e, whose paths are relative to the root of the snapshot.
func newJSONEntry(e *varve.Entry) jsonEntry {
	j := jsonEntry{
		jsonPath: pathOf(e.Path), Type: e.Kind.String(), Mode: fmt.Sprintf("%04o", e.Mode), UID: e.UID, GID: e.GID,
		User: e.User, Group: e.Group, Size: e.Size, MTime: e.MTime.Time().Format(time.RFC3339Nano),
	}
	target := rawPath(e.Target)
	j.Target, j.TargetBase64 = target.Path, target.Base64
	if e.SameAs != "" {
		first := pathOf(e.SameAs)
		j.SameAs, j.SameAsBase64 = first.Path, first.Base64
	}
	if e.Digest != (varve.Digest{}) {
		j.Digest = e.Digest.String()
	}
	if e.Kind == varve.CharDevice || e.Kind == varve.BlockDevice {
		j.Device = fmt.Sprintf("%d:%d", e.Rdev.Major, e.Rdev.Minor)
	}
	return j
}

// lists returns s with lists that are never null in JSON.
func lists(s varve.Snapshot) varve.Snapshot {
	if s.Sources == nil {
		s.Sources = []string{}
	}
	if s.Tags == nil {
		s.Tags = []string{}
	}
	return s
}

// jsonEvent is one thing that was noticed.
type jsonEvent struct {
	Event string `json:"event"`
	*jsonPath
	Error   string   `json:"error,omitempty"`
	Aspects []string `json:"aspects,omitempty"`
	Count   int64    `json:"count,omitempty"`
}

// event prints an event about a path, relative to the root; err may be nil.
func (a *app) event(kind, path string, err error) {
	p := pathOf(path)
	a.emitEvent(jsonEvent{Event: kind, jsonPath: &p, Error: errorText(err)})
}

// emitEvent prints an event. A failure to write is found when the output is flushed.
func (a *app) emitEvent(e any) { _ = a.emit(e) }

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
