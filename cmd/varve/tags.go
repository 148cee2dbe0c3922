package main

import (
	"fmt"
	"slices"
	"strings"
)

// tagLists is a repeatable flag, each time with a list of tags that belong together.
type tagLists struct{ to *[][]string }

// String returns nothing: there is no default.
func (t *tagLists) String() string { return "" }

// Type returns what the help calls the value.
func (t *tagLists) Type() string { return "TAGS" }

// Set adds a list.
func (t *tagLists) Set(text string) error {
	tags, err := parseTags(text)
	if err == nil {
		*t.to = append(*t.to, tags)
	}
	return err
}

// parseTags reads a list of tags, separated by commas.
func parseTags(text string) ([]string, error) {
	tags := strings.Split(text, ",")
	for _, tag := range tags {
		if err := checkLabel("tag", tag); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// union returns the tags of all lists, each once, in their order.
func union(lists [][]string) []string {
	all := []string{}
	for _, tag := range slices.Concat(lists...) {
		if !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	return all
}

// maxLabel is how long the names of series, hosts and tags may be, in bytes.
const maxLabel = 1000

// checkLabel returns an error where text cannot name a series, a host or a tag.
func checkLabel(what, text string) error {
	switch {
	case text == "":
		return fmt.Errorf("%s: the name is empty", what)
	case len(text) > maxLabel:
		return fmt.Errorf("%s: the name has %d bytes; %d are allowed", what, len(text), maxLabel)
	case !printable(text):
		return fmt.Errorf("%s %q: only printable characters are allowed", what, text)
	}
	return nil
}
