package seal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"go.uber.org/goleak"
)

// TestMain is also the program age-plugin-vervain, which the test below starts by a link to itself.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "age-plugin-vervain" {
		goleak.VerifyTestMain(m)
	}
	p, err := plugin.New("vervain")
	if err != nil {
		os.Exit(1)
	}
	p.HandleRecipient(func([]byte) (age.Recipient, error) { return vervain{p}, nil })
	p.HandleIdentity(func([]byte) (age.Identity, error) { return vervain{p}, nil })
	os.Exit(p.Main())
}

// vervain hides nothing, but wants to be asked nicely.
type vervain struct{ p *plugin.Plugin }

func (v vervain) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	if err := v.p.DisplayMessage("touch the key"); err != nil {
		return nil, err
	}
	yes, err := v.p.Confirm("really", "yes", "no")
	if err != nil || !yes {
		return nil, errors.Join(err, errors.New("not confirmed"))
	}
	return []*age.Stanza{{Type: "vervain", Body: fileKey}}, nil
}

func (v vervain) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	pin, err := v.p.RequestValue("pin", true)
	if err != nil || pin != "1234" || len(stanzas) != 1 {
		return nil, errors.Join(err, errors.New("wrong pin"))
	}
	return stanzas[0].Body, nil
}

func TestPluginsWrapUnwrapAndAskThroughThePrompt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "age-plugin-vervain")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))

	var told []string
	willing := Prompt{
		Ask: func(question string, secret bool) (string, error) { told = append(told, question); return "1234", nil },
		Confirm: func(question, yes, no string) (bool, error) {
			told = append(told, question+" "+yes+" "+no)
			return true, nil
		},
		Tell: func(message string) { told = append(told, message) },
	}
	recipient, identity := plugin.EncodeRecipient("vervain", []byte{1}), plugin.EncodeIdentity("vervain", []byte{1})
	recipients, err := ParseRecipients(recipient, willing)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := Wrap(testSecret(1), recipients...)
	if err != nil {
		t.Fatal(err)
	}
	identities, err := ParseIdentities([]byte(identity), willing)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Unwrap(wrapped, identities...); err != nil || got != testSecret(1) {
		t.Errorf("unwrapped: %v", err)
	}
	want := []string{"age plugin vervain: touch the key", "age plugin vervain: really yes no", "age plugin vervain: pin"}
	if !slices.Equal(told, want) {
		t.Errorf("the user was told %q", told)
	}

	recipients, errR := ParseRecipients(recipient, Prompt{})
	identities, errI := ParseIdentities([]byte(identity), Prompt{})
	if err := errors.Join(errR, errI); err != nil {
		t.Fatal(err)
	}
	if _, err := Wrap(testSecret(1), recipients...); err == nil {
		t.Error("wrapped though nobody could be asked")
	}
	if _, err := Unwrap(wrapped, identities...); err == nil {
		t.Error("unwrapped though nobody could be asked")
	}
}

func TestAbsentPluginIsAnErrorThatNamesIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	recipients, err := ParseRecipients(plugin.EncodeRecipient("vervain", []byte{1}), Prompt{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Wrap(testSecret(1), recipients...)
	var absent *plugin.NotFoundError
	if !errors.As(err, &absent) || absent.Name != "vervain" {
		t.Error(err)
	}
}
