package seal

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// Recipient is who a secret is wrapped for.
type Recipient struct {
	age        age.Recipient
	passphrase bool
}

// Identity opens what was wrapped for a Recipient.
type Identity struct {
	redacted
	age age.Identity
}

// Prompt is how the user is asked on behalf of plugins and of ssh keys with a passphrase. What is nil refuses.
type Prompt struct {
	// Ask returns what the user types; secret says that it must not be seen.
	Ask func(question string, secret bool) (string, error)
	// Confirm returns whether the user chose yes over no, which may be empty.
	Confirm func(question, yes, no string) (bool, error)
	// Tell shows a message, such as that a hardware key waits to be touched. It may be called from another goroutine.
	Tell func(message string)
}

// Passphrase returns the Recipient for who knows passphrase. workFactor is the base-2 logarithm of the steps scrypt takes, from 1 to
// MaxWorkFactor; 0 stands for WorkFactor.
func Passphrase(passphrase string, workFactor int) (Recipient, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return Recipient{}, errors.New("passphrase: empty")
	}
	if workFactor == 0 {
		workFactor = WorkFactor
	}
	if workFactor < 1 || workFactor > MaxWorkFactor {
		return Recipient{}, fmt.Errorf("passphrase: work factor %d, want 1 to %d", workFactor, MaxWorkFactor)
	}
	r.SetWorkFactor(workFactor)
	return Recipient{age: r, passphrase: true}, nil
}

// PassphraseIdentity returns the Identity of who knows passphrase.
func PassphraseIdentity(passphrase string) (Identity, error) {
	i, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return Identity{}, errors.New("passphrase: empty")
	}
	i.SetMaxWorkFactor(MaxWorkFactor)
	return Identity{age: i}, nil
}

// ParseRecipients reads recipients, one per line: age public keys (age1…), ssh public keys (ssh-ed25519, ssh-rsa) and recipients of
// age plugins. Empty lines and those that begin with "#" mean nothing.
func ParseRecipients(text string, prompt Prompt) ([]Recipient, error) {
	var recipients []Recipient
	err := eachLine(text, func(line string) error {
		r, err := parseRecipient(line, prompt)
		recipients = append(recipients, Recipient{age: r})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("recipients: %w", err)
	}
	return recipients, nil
}

func parseRecipient(line string, prompt Prompt) (r age.Recipient, err error) {
	switch {
	case strings.HasPrefix(line, "ssh-"):
		r, err = parseSSHRecipient(line)
	case strings.HasPrefix(line, "age1pq1"):
		r, err = age.ParseHybridRecipient(line)
	case strings.HasPrefix(line, "age1") && strings.Count(line, "1") > 1:
		r, err = plugin.NewRecipient(line, prompt.client())
	case strings.HasPrefix(line, "age1"):
		r, err = age.ParseX25519Recipient(line)
	default:
		return nil, errors.New("neither an age nor an ssh public key")
	}
	if err != nil {
		return nil, errors.New("a public key with a mistake, or of a kind that is not supported")
	}
	return r, nil
}

// ParseIdentities reads a file of identities: one ssh private key, or lines of age secret keys and identities of age plugins. Errors
// repeat nothing of it. A passphrase of an ssh key is asked for when it is needed.
func ParseIdentities(file []byte, prompt Prompt) ([]Identity, error) {
	if strings.Contains(string(file), "-----BEGIN") {
		i, err := parseSSHIdentity(file, prompt)
		if err != nil {
			return nil, fmt.Errorf("identities: %w", err)
		}
		return []Identity{{age: i}}, nil
	}
	var identities []Identity
	err := eachLine(string(file), func(line string) error {
		i, err := parseIdentity(line, prompt)
		identities = append(identities, Identity{age: i})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("identities: %w", err)
	}
	return identities, nil
}

func parseIdentity(line string, prompt Prompt) (i age.Identity, err error) {
	switch {
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		i, err = plugin.NewIdentity(line, prompt.client())
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		i, err = age.ParseHybridIdentity(line)
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		i, err = age.ParseX25519Identity(line)
	default:
		return nil, errors.New("neither an age secret key nor the identity of a plugin")
	}
	if err != nil {
		return nil, errors.New("a secret key with a mistake") // the cause may quote it
	}
	return i, nil
}

// eachLine calls do with each line of text that means something, of which there must be one.
func eachLine(text string, do func(string) error) error {
	n, meant := 0, 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		meant++
		if err := do(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if meant == 0 {
		return errors.New("none")
	}
	return nil
}

// client returns p as the age plugins use it.
func (p Prompt) client() *plugin.ClientUI {
	refuse := errors.New("nobody can be asked")
	return &plugin.ClientUI{
		DisplayMessage: func(name, message string) error {
			p.tell(fmt.Sprintf("age plugin %s: %s", name, message))
			return nil
		},
		RequestValue: func(name, question string, secret bool) (string, error) {
			if p.Ask == nil {
				return "", refuse
			}
			return p.Ask(fmt.Sprintf("age plugin %s: %s", name, question), secret)
		},
		Confirm: func(name, question, yes, no string) (bool, error) {
			if p.Confirm == nil {
				return false, refuse
			}
			return p.Confirm(fmt.Sprintf("age plugin %s: %s", name, question), yes, no)
		},
		WaitTimer: func(name string) { p.tell(fmt.Sprintf("age plugin %s: waiting", name)) },
	}
}

func (p Prompt) tell(message string) {
	if p.Tell != nil {
		p.Tell(message)
	}
}
