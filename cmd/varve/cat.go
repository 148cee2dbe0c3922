package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/digest"
	"varve/internal/location"
)

func (a *app) catCommand() *cobra.Command {
	var filter filterFlags
	c := &cobra.Command{
		Use:     "cat SNAPSHOT:PATH...",
		Short:   "Print the content of files in a snapshot",
		Long:    `Print the content of files in a snapshot. Each is held against its digest: exit code 4 where it is not what was saved.`,
		Example: `  varve cat -s /mnt/backup/store latest~3:/etc/fstab`,
		Args:    wants(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withStore(ctx, func(p *location.Place) error {
				for _, arg := range args {
					err := a.withPick(ctx, p.Store, &filter, arg, func(o *opened) error { return a.cat(ctx, o) })
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	filter.add(c)
	return c
}

// cat prints one file and checks what was printed.
func (a *app) cat(ctx context.Context, o *opened) error {
	e := o.entry
	if e.Kind != varve.Regular {
		return fmt.Errorf("cat %s: is a %s, not a file", slashed(e.Path), e.Kind)
	}
	f, err := o.view.Open(ctx, e)
	if err != nil {
		return fmt.Errorf("cat %s: %w", slashed(e.Path), err)
	}
	err = writeContent(ctx, a.out, f, &e)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cat %s: %w", slashed(e.Path), err)
	}
	return nil
}

// writeContent writes the content stream of a file, with zeros for its holes. varve.ErrDamaged where it is not that of e.
func writeContent(ctx context.Context, w io.Writer, stream io.Reader, e *varve.Entry) error {
	sum := digest.New()
	from := io.TeeReader(readerUntil{ctx, stream}, sum)
	at := int64(0)
	for _, hole := range e.Holes {
		n, err := io.CopyN(w, from, hole.Off-at)
		if err == io.EOF {
			return fmt.Errorf("ends after %d bytes: %w", at+n, varve.ErrDamaged)
		}
		if err == nil {
			_, err = io.CopyN(w, readerUntil{ctx, zeros{}}, hole.Len)
		}
		if err != nil {
			return err
		}
		at = hole.Off + hole.Len
	}
	n, err := io.Copy(w, from)
	switch {
	case err != nil:
		return err
	case at+n != e.Size || sum.Digest() != e.Digest:
		return fmt.Errorf("content is not what was saved: %w", varve.ErrDamaged)
	}
	return nil
}

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
