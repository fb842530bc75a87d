//! Usage, help and completions.

use super::kit::Place;

const COMMANDS: [&[&str]; 15] = [
    &["demo"],
    &["run"],
    &["tick"],
    &["refresh"],
    &["show"],
    &["produce"],
    &["tokens", "import"],
    &["tokens", "set"],
    &["tokens", "delete"],
    &["replay"],
    &["topics", "describe"],
    &["check"],
    &["hash"],
    &["completions"],
    &["tokens"],
];

#[test]
fn every_command_has_help_with_an_example() {
    let place = Place::new();
    for command in COMMANDS {
        let help = place.run(&[command, &["--help"]].concat()).exits(0).stdout();
        assert!(help.contains("Example"), "{command:?}: {help}");
        assert!(help.contains(&format!("passflow {}", command[0])), "{command:?}: {help}");
    }
    let help = place.run(&["--help"]).exits(0).stdout();
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {}", command[0])), "{command:?} is not listed: {help}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let place = Place::new();
    for args in [
        &[] as &[&str],
        &["fly"],
        &["show"],
        &["show", "0"],
        &["show", "9007199254740992"],
        &["refresh"],
        &["refresh", "42", "--when", "never"],
        &["replay", "t", "--from", "yesterday"],
        &["produce", "no topic!"],
        &["tick", "--every", "0 0 * * * *"],
        &["tick", "--count", "1"],
        &["run", "--until-end-timeout", "10"],
        &["completions", "cmd"],
        &["demo", "--users", "0"],
    ] {
        let ran = place.run(args).exits(2);
        assert_eq!(ran.stdout(), "", "{args:?}");
        assert!(!ran.stderr().is_empty(), "{args:?}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]).exits(0).stdout();
        for word in ["passflow", "until-end-timeout", "canonical"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}
