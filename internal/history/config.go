package history

import "errors"

// Config is a configuration file as it could be read last.
type Config struct {
	// Text is its content; empty where it was never read.
	Text string `json:"text"`
}

// configName is the name of the record of the configuration file.
const configName = "config"

// Config returns the configuration file as it could be read last, like Job.
func (d *Dir) Config() (Config, error) { return read[Config](d.dir, configName) }

// KeepConfig remembers a configuration file, unless it is that which is remembered. varve.ErrBusy where somebody else is doing so.
func (d *Dir) KeepConfig(text string) (err error) {
	if have, err := d.Config(); err == nil && have.Text == text {
		return nil
	}
	l, err := lock[Config](d.dir, configName)
	if err != nil {
		return err
	}
	l.Record.Text = text
	return errors.Join(l.Save(), l.Close())
}
