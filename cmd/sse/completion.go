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
var valueFiles = []string{"cacert", "cert", "key", "state", "unix"}

// completion prints a script that completes flags, and files where flags take them.
func (cmd *command) completion(args []string) int {
	scripts := map[string]func([]*flag.Flag) string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}
	if len(args) != 1 || scripts[args[0]] == nil {
		return cmd.usage(errors.New("completion goes with bash, zsh or fish"))
	}
	var flags []*flag.Flag
	new(options).flags().VisitAll(func(f *flag.Flag) { flags = append(flags, f) })
	fmt.Fprint(cmd.stdout, scripts[args[0]](flags))
	return exitEnded
}

func takesValue(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

func subcommandNames() []string { return slices.Sorted(maps.Keys(subcommands())) }

func bashScript(flags []*flag.Flag) string {
	var all, files, free []string
	for _, f := range flags {
		all = append(all, "-"+f.Name)
		switch {
		case slices.Contains(valueFiles, f.Name):
			files = append(files, "-"+f.Name)
		case takesValue(f):
			free = append(free, "-"+f.Name)
		}
	}
	return fmt.Sprintf(`# Of bash: source <(sse completion bash)
_sse() {
	local IFS=$'\n' cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	COMPREPLY=()
	case $prev in
	%s) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	%s) case $cur in @*) COMPREPLY=($(compgen -P @ -f -- "${cur#@}")) ;; esac; return ;;
	completion) COMPREPLY=($(compgen -W $'bash\nzsh\nfish' -- "$cur")); return ;;
	esac
	case $cur in
	-*) COMPREPLY=($(compgen -W $'%s' -- "$cur")) ;;
	*) if ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W $'%s' -- "$cur")); fi ;;
	esac
}
complete -o filenames -F _sse sse
`, strings.Join(files, "|"), strings.Join(free, "|"), strings.Join(all, `\n`), strings.Join(subcommandNames(), `\n`))
}

func zshScript(flags []*flag.Flag) string {
	var b strings.Builder
	b.WriteString("#compdef sse\n# Of zsh: source <(sse completion zsh)\n_sse() {\n\t_arguments -S \\\n")
	for _, f := range flags {
		switch {
		case slices.Contains(valueFiles, f.Name):
			fmt.Fprintf(&b, "\t\t'*-%s:file:_files' \\\n", f.Name)
		case takesValue(f):
			fmt.Fprintf(&b, "\t\t'*-%s:value:' \\\n", f.Name)
		default:
			fmt.Fprintf(&b, "\t\t'-%s' \\\n", f.Name)
		}
	}
	fmt.Fprintf(&b, "\t\t'1:URL or command:(%s)' '*:URL:(bash zsh fish)'\n}\n", strings.Join(subcommandNames(), " "))
	b.WriteString("compdef _sse sse\nif [ \"$funcstack[1]\" = _sse ]; then _sse; fi\n")
	return b.String()
}

func fishScript(flags []*flag.Flag) string {
	var b strings.Builder
	b.WriteString("# Of fish: sse completion fish | source\ncomplete -c sse -f\n")
	for _, f := range flags {
		kind := "-o"
		if len(f.Name) == 1 {
			kind = "-s"
		}
		fmt.Fprintf(&b, "complete -c sse %s %s", kind, f.Name)
		switch {
		case slices.Contains(valueFiles, f.Name):
			b.WriteString(" -r -F")
		case takesValue(f):
			b.WriteString(" -x")
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "complete -c sse -n __fish_use_subcommand -a '%s'\n", strings.Join(subcommandNames(), " "))
	b.WriteString("complete -c sse -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n")
	return b.String()
}
