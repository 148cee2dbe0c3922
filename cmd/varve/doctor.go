package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve/internal/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	readOnly := false
	c := &cobra.Command{
		Use:   "doctor [PLACE...]",
		Short: "Look at a place as varve would use it, and say what is wrong",
		Long: `Look at a place as varve would use it, a store or a source, and say of everything whether it is good, worth knowing, or wrong, with what mends
it. Without a PLACE it is the store. Nothing is changed but in a directory that is made there, .varve-doctor-..., and removed again; where
the place does not exist, it is made and removed at once. The exit code is 0 where nothing is wrong, whatever the warnings say.`,
		Example: `  varve doctor /mnt/backup/store
  varve doctor u12345@u12345.your-storagebox.de:backup --connections 8
  varve doctor ssh://root@web/home rsync://nas/photos`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, places []string) error {
			if len(places) == 0 {
				spec, err := a.storeSpec()
				if err != nil {
					return err
				}
				places = []string{spec}
			}
			return a.doctor(c.Context(), places, readOnly)
		},
	}
	c.Flags().BoolVar(&readOnly, "read-only", false, "make nothing there, not even for a moment")
	return c
}

// doctor looks at places, one after the other, and prints what it finds.
func (a *app) doctor(ctx context.Context, places []string, readOnly bool) error {
	o := doctor.Options{Location: a.options(a.secrets), ReadOnly: readOnly, Now: a.now}
	wrong := 0
	for i, place := range places {
		if len(places) > 1 && !a.json {
			a.printf("%s%s\n", strings.Repeat("\n", min(i, 1)), quote(place))
		}
		for f := range doctor.Examine(ctx, place, o) {
			if f.Level == doctor.Wrong {
				wrong++
			}
			if err := a.diagnosis(place, f); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("doctor: %s wrong", count(int64(wrong), "thing is", "things are"))
	}
	return nil
}

// diagnosis prints a finding at once: the next one may take its time. With --quiet those that are good or mere notes are left out.
func (a *app) diagnosis(place string, f doctor.Finding) error {
	if a.json {
		at := rawPath(place)
		return a.emit(struct {
			Event  string       `json:"event"`
			Place  string       `json:"place"`
			Level  doctor.Level `json:"level"`
			What   string       `json:"what"`
			Detail string       `json:"detail"`
			Mend   string       `json:"mend,omitempty"`
		}{"finding", at.Path, f.Level, f.What, f.Detail, f.Mend})
	}
	if a.quiet && (f.Level == doctor.Good || f.Level == doctor.Note) {
		return nil
	}
	a.printf("%-8s %s: %s\n", f.Level, f.What, plain(f.Detail))
	if f.Mend != "" {
		for line := range strings.SplitSeq(f.Mend, "\n") {
			a.printf("         > %s\n", plain(line))
		}
	}
	return a.out.Flush()
}
