package seal

import (
	"errors"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

func parseSSHRecipient(line string) (age.Recipient, error) { return agessh.ParseRecipient(line) }

// parseSSHIdentity reads an ssh private key. Its passphrase is asked for when it is needed.
func parseSSHIdentity(file []byte, prompt Prompt) (age.Identity, error) {
	i, err := agessh.ParseIdentity(file)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return i, nil
	case !errors.As(err, &locked):
		return nil, errors.New("an ssh private key with a mistake, or of a kind that is not supported")
	case locked.PublicKey == nil:
		return nil, errors.New("an ssh private key with a passphrase in an old format: ssh-keygen -p converts it")
	}
	ask := func() ([]byte, error) {
		if prompt.Ask == nil {
			return nil, errors.New("the ssh key has a passphrase, and nobody can be asked")
		}
		answer, err := prompt.Ask("passphrase of the ssh key", true)
		return []byte(answer), err
	}
	i, err = agessh.NewEncryptedSSHIdentity(locked.PublicKey, file, ask)
	if err != nil {
		return nil, errors.New("an ssh private key of a kind that is not supported")
	}
	return i, nil
}
