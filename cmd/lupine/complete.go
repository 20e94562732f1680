package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lupine-rpc/lupine/wires"
)

// completeTime is how long pressing Tab may take to ask a server.
const completeTime = 2 * time.Second

// completeURL offers the schemes.
func completeURL() ([]string, cobra.ShellCompDirective) {
	var urls []string
	for _, s := range wires.Schemes() {
		prefix, _, _ := strings.Cut(s.Form, "//")
		prefix += "//"
		if s.Name == "unix" {
			prefix += "/"
		}
		urls = append(urls, prefix+"\t"+s.About)
	}
	return urls, cobra.ShellCompDirectiveNoSpace
}

// complete offers targets, and then the services or methods that the target or
// the -proto files have.
func (f *connectFlags) complete(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return completeURL()
	case 1:
	default:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	s, done, err := f.open(ctx, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer done()
	services, err := s.services(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if cmd.Name() == "list" {
		return services, cobra.ShellCompDirectiveNoFileComp
	}
	var methods []string
	for _, name := range services {
		sd, err := s.service(ctx, protoreflect.FullName(name))
		if err != nil {
			continue
		}
		for i := range sd.Methods().Len() {
			methods = append(methods, name+"/"+string(sd.Methods().Get(i).Name()))
		}
	}
	return methods, cobra.ShellCompDirectiveNoFileComp
}

// open returns the schema of a target.
func (f *connectFlags) open(ctx context.Context, target string) (schema, func() error, error) {
	opts, err := f.callOptions()
	if err != nil {
		return nil, nil, err
	}
	conn, err := f.dial(ctx, target)
	if err != nil {
		return nil, nil, err
	}
	s, err := f.schema(ctx, conn, target, opts)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return s, conn.Close, nil
}
