package config

import (
	"fmt"
	"slices"
	"strings"
)

// store checks one store, and puts its paths into their shortest form.
func (c *checker) store(n *node, s *Store) {
	n.on("place", aString, func(value *node) {
		place, err := c.options.place(s.Place)
		c.check(value, err)
		s.Place = place
	})
	for key, path := range map[string]*string{"passphrase-file": &s.PassphraseFile, "key-file": &s.KeyFile, "mounted": &s.Mounted, "marker": &s.Marker} {
		c.path(n, key, path)
	}
	c.opening(n, s)
	n.on("verify", aTable, func(verify *node) {
		if share := verify.table["subset"]; share != nil && s.Verify.Subset == 0 {
			c.fault(share, "a check that reads nothing: want more than 0%%, or every = \"never\"")
		}
	})
}

// opening checks how a vault is opened. It decides the kind of a store that does not say it.
func (c *checker) opening(n *node, s *Store) {
	if n.kind != aTable {
		return
	}
	var first *node
	for _, key := range exclusive {
		value := n.table[key]
		switch {
		case value == nil:
		case first == nil:
			first = value
		default:
			c.faultKey(value, "only one of passphrase-file, passphrase-command and key-file can open the store")
		}
	}
	if value := n.table["passphrase-command"]; value != nil && s.PassphraseCommand.IsZero() {
		c.fault(value, "the command is empty")
	}
	switch {
	case s.Kind == "" && first != nil:
		s.Kind = Vault
	case s.Kind == "":
		s.Kind = Tree
	case s.Kind == Tree && first != nil && first.own:
		c.faultKey(first, "a tree is not encrypted: write kind = \"vault\", or leave this out")
	}
}

// notice checks one notice.
func (c *checker) notice(n *node, notice *Notice) {
	if n.kind != aTable || notice.Kind == "" {
		return
	}
	own := notice.Kind.keys()
	for _, channel := range Channel("").choices() {
		for _, key := range Channel(channel).keys() {
			if value := n.table[key]; value != nil && !slices.Contains(own, key) {
				c.faultKey(value, "%s has no meaning for a notice of the kind %s", key, notice.Kind)
			}
		}
	}
	if n.table["on"] == nil {
		notice.On = notice.Kind.events()
	}
	n.on("on", aList, func(list *node) { c.once(list, words(notice.On...)) })
	c.names(n, "jobs", notice.Jobs, "job")
	for key, path := range map[string]*string{"smtp-password-file": &notice.SMTPPasswordFile, "url-file": &notice.URLFile,
		"token-file": &notice.TokenFile, "path": &notice.Path} {
		c.path(n, key, path)
	}
	c.reach(n, notice)
}

// reach checks where a notice goes.
func (c *checker) reach(n *node, notice *Notice) {
	need := func(key string) {
		if n.table[key] == nil {
			c.fault(n, "%s is missing, for a notice of the kind %s", key, notice.Kind)
		}
	}
	switch notice.Kind {
	case Mail:
		need("to")
		c.mail(n, notice)
	case Program:
		need("run")
		if run := n.table["run"]; run != nil && notice.Run.IsZero() {
			c.fault(run, "the command is empty")
		}
		if notice.Run.Timeout == 0 {
			notice.Run.Timeout = programTimeout
		}
	case Prometheus:
		need("path")
	case Webhook, Ntfy, Ping:
		c.url(n, notice)
	}
}

func (c *checker) mail(n *node, notice *Notice) {
	n.on("to", aList, func(list *node) {
		if len(list.items) == 0 {
			c.fault(list, "names nobody")
		}
	})
	c.each(n, "to", notice.To, checkAddress)
	n.on("from", aString, func(value *node) { c.check(value, checkAddress(notice.From)) })
	n.on("smtp", aString, func(value *node) { c.check(value, checkServer(notice.SMTP)) })
	for _, key := range []string{"smtp-user", "smtp-password-file"} {
		if value := n.table[key]; value != nil && (n.table["smtp"] == nil || n.table["smtp-user"] == nil || n.table["smtp-password-file"] == nil) {
			c.faultKey(value, "smtp, smtp-user and smtp-password-file go together")
		}
	}
}

func (c *checker) url(n *node, notice *Notice) {
	at, other := n.table["url"], n.table["url-file"]
	switch {
	case at == nil && other == nil:
		c.fault(n, "url or url-file is missing, for a notice of the kind %s", notice.Kind)
	case at != nil && other != nil:
		c.faultKey(other, "only one of url and url-file can be said")
	}
	n.on("url", aString, func(value *node) {
		if err := checkURL(notice.URL); err != nil {
			c.found = append(c.found, finding{at: value.at, message: err.Error(), show: nothing})
		}
	})
}

// checkAddress returns an error where text cannot be an address of mail: one word, so that it adds nothing to the head of a message.
func checkAddress(text string) error {
	if text == "" || text[0] == '-' || strings.ContainsFunc(text, unfit) || strings.ContainsAny(text, ",;<>\"()\\") {
		return fmt.Errorf("%q is not an address such as root or user@example.org", text)
	}
	return nil
}
