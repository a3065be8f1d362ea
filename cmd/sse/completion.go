package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What completes the value of a flag. All other values are free.
var valueFiles = []string{"cacert", "cert", "key", "o", "state", "unix"}

// A flagSet is the flags of a subcommand, or of the command itself, whose name is "".
type flagSet struct {
	command string
	files   bool // what follows the flags is a file
	flags   []*flag.Flag
}

// flagSets returns the flags of those that have flags to complete, the command itself last.
func flagSets() []flagSet {
	sets := []flagSet{{command: "record"}, {command: "replay", files: true}, {}}
	for i, flags := range []*flag.FlagSet{new(recordOptions).flags(), new(replayOptions).flags(), new(options).flags()} {
		flags.VisitAll(func(f *flag.Flag) { sets[i].flags = append(sets[i].flags, f) })
	}
	return sets
}

// completion prints a script that completes flags, and files where flags take them.
func (cmd *command) completion(args []string) int {
	scripts := map[string]func([]flagSet) string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}
	if len(args) != 1 || scripts[args[0]] == nil {
		return cmd.usage(errors.New("completion goes with bash, zsh or fish"))
	}
	fmt.Fprint(cmd.stdout, scripts[args[0]](flagSets()))
	return exitEnded
}

func takesValue(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

func subcommandNames() []string { return slices.Sorted(maps.Keys(subcommands())) }

func bashScript(sets []flagSet) string {
	files, free := make(map[string]bool), make(map[string]bool)
	var all, withFiles strings.Builder
	for _, set := range sets {
		var names []string
		for _, f := range set.flags {
			names = append(names, "-"+f.Name)
			switch {
			case slices.Contains(valueFiles, f.Name):
				files["-"+f.Name] = true
			case takesValue(f):
				free["-"+f.Name] = true
			}
		}
		pattern := set.command
		if pattern == "" {
			pattern = "*"
		}
		fmt.Fprintf(&all, "\t%s) all=$'%s' ;;\n", pattern, strings.Join(names, `\n`))
		if set.files {
			fmt.Fprintf(&withFiles, "\t%s) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n", set.command)
		}
	}
	join := func(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), "|") }
	return fmt.Sprintf(`# Of bash: source <(sse completion bash)
_sse() {
	local IFS=$'\n' cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} all
	COMPREPLY=()
	case ${COMP_WORDS[1]} in
%s	esac
	case $prev in
	%s) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	%s) case $cur in @*) COMPREPLY=($(compgen -P @ -f -- "${cur#@}")) ;; esac; return ;;
	completion) COMPREPLY=($(compgen -W $'bash\nzsh\nfish' -- "$cur")); return ;;
	esac
	case $cur in
	-*) COMPREPLY=($(compgen -W "$all" -- "$cur")); return ;;
	esac
	if ((COMP_CWORD == 1)); then
		COMPREPLY=($(compgen -W $'%s' -- "$cur"))
		return
	fi
	case ${COMP_WORDS[1]} in
%s	esac
}
complete -o filenames -F _sse sse
`, all.String(), join(files), join(free), strings.Join(subcommandNames(), `\n`), withFiles.String())
}

func zshScript(sets []flagSet) string {
	var b strings.Builder
	b.WriteString("#compdef sse\n# Of zsh: source <(sse completion zsh)\n_sse() {\n\tcase ${words[2]} in\n")
	for _, set := range sets {
		first, rest := "1:command:("+set.command+")", "*:URL:"
		switch {
		case set.command == "":
			fmt.Fprintf(&b, "\t*)\n")
			first, rest = "1:URL or command:("+strings.Join(subcommandNames(), " ")+")", "*:URL:(bash zsh fish)"
		case set.files:
			rest = "*:file:_files"
			fallthrough
		default:
			fmt.Fprintf(&b, "\t%s)\n", set.command)
		}
		b.WriteString("\t\t_arguments -S \\\n")
		for _, f := range set.flags {
			switch {
			case slices.Contains(valueFiles, f.Name):
				fmt.Fprintf(&b, "\t\t\t'*-%s:file:_files' \\\n", f.Name)
			case takesValue(f):
				fmt.Fprintf(&b, "\t\t\t'*-%s:value:' \\\n", f.Name)
			default:
				fmt.Fprintf(&b, "\t\t\t'-%s' \\\n", f.Name)
			}
		}
		fmt.Fprintf(&b, "\t\t\t'%s' '%s' ;;\n", first, rest)
	}
	b.WriteString("\tesac\n}\ncompdef _sse sse\nif [ \"$funcstack[1]\" = _sse ]; then _sse; fi\n")
	return b.String()
}

func fishScript(sets []flagSet) string {
	var b strings.Builder
	b.WriteString("# Of fish: sse completion fish | source\ncomplete -c sse -f\n")
	var others []string
	for _, set := range sets {
		condition := "__fish_seen_subcommand_from " + set.command
		if set.command == "" {
			condition = "not __fish_seen_subcommand_from " + strings.Join(others, " ")
		}
		others = append(others, set.command)
		for _, f := range set.flags {
			kind := "-o"
			if len(f.Name) == 1 {
				kind = "-s"
			}
			fmt.Fprintf(&b, "complete -c sse -n '%s' %s %s", condition, kind, f.Name)
			switch {
			case slices.Contains(valueFiles, f.Name):
				b.WriteString(" -r -F")
			case takesValue(f):
				b.WriteString(" -x")
			}
			b.WriteString("\n")
		}
		if set.files {
			fmt.Fprintf(&b, "complete -c sse -n '%s' -F\n", condition)
		}
	}
	fmt.Fprintf(&b, "complete -c sse -n __fish_use_subcommand -a '%s'\n", strings.Join(subcommandNames(), " "))
	b.WriteString("complete -c sse -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n")
	return b.String()
}
