package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// connection is how a command that reads AWS finds it: the flags that such
// commands share.
type connection struct {
	profile string
	regions []string
	file    string
}

func (c *connection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.profile, "profile", "", "AWS profile (default: AWS_PROFILE, else default)")
	f.StringSliceVar(&c.regions, "region", nil, "region to read; may be repeated (default: the profile's)")
	f.StringVarP(&c.file, "file", "f", "", "configuration file: its targets and thresholds")
}

func (c connection) validate() error {
	for _, r := range c.regions {
		if err := fleet.ValidRegion(r); err != nil {
			return fmt.Errorf("--region: %w", err)
		}
	}
	return nil
}

// configuration is what the file says, or the defaults without targets.
func (c connection) configuration() (*config.File, error) {
	if c.file == "" {
		return config.Default(), nil
	}
	return readConfig(c.file)
}

// open loads the profile. Nothing is called yet.
func (c connection) open(ctx context.Context) (aws.Config, error) {
	var options []func(*awsconfig.LoadOptions) error
	if c.profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(c.profile))
	}
	if len(c.regions) > 0 {
		options = append(options, awsconfig.WithRegion(c.regions[0]))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, &exitError{exitIncomplete, fmt.Errorf("load the AWS profile: %w", err)}
	}
	return cfg, nil
}

// own are the regions to read of the own account, where no file names targets.
func (c connection) own(cfg aws.Config) ([]string, error) {
	switch {
	case len(c.regions) > 0:
		return c.regions, nil
	case cfg.Region == "":
		return nil, errors.New("no region: give --region, or set AWS_REGION or a region in the profile")
	}
	return []string{cfg.Region}, nil
}

// within keeps the targets of the wanted regions; all when none is named.
func (c connection) within(targets []fleet.Target) ([]fleet.Target, error) {
	if len(c.regions) == 0 {
		return targets, nil
	}
	kept := slices.DeleteFunc(targets, func(t fleet.Target) bool { return !slices.Contains(c.regions, t.Region) })
	if len(kept) == 0 {
		return nil, fmt.Errorf("--region %s: no target of %s is there", strings.Join(c.regions, ", "), c.file)
	}
	return kept, nil
}
