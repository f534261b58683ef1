use super::*;
use crate::args::Args;
use clap::Parser;

/// The settings of `convoy download` with a configuration file of `text` and `flags`.
fn load(text: &str, flags: &str) -> Result<Config, Failure> {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("config.toml");
    fs::write(&file, text).expect("written");
    let line = format!("convoy download x.torrent --config {} {flags}", file.display());
    let args = Args::parse_from(line.split_whitespace());
    let crate::args::Verb::Download(download) = args.verb else { panic!("not a download") };
    Config::load(&download.node, &download.settings)
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let text =
        "download-limit = '500k'\nupload-limit = 7\npeer-limit = 9\noutput = '/file'\nexit-when-done = true";
    let config = load(text, "-o /flag --download-limit 1Mi").expect("valid");
    assert_eq!(config.output, Path::new("/flag"));
    assert_eq!(config.download_limit, ByteSize(1 << 20));
    assert_eq!(config.upload_limit, ByteSize(7));
    assert_eq!(config.peer_limit.get(), 9);
    assert!(config.exit_when_done);
    assert_eq!(config.listen, Config::default().listen);
    assert!(!load(text, "--exit-when-done=false").expect("valid").exit_when_done);
}

#[test]
fn an_unknown_key_is_refused_by_name_and_line() {
    let failure = load("peer-limit = 9\nlisen = '[::]:1'", "").expect_err("refused");
    let message = failure.to_string();
    assert!(message.contains("lisen") && message.contains("line 2"), "{message}");
}

#[test]
fn a_wrong_value_is_refused_even_if_a_flag_replaces_it() {
    assert!(load("listen = 'here'", "--listen [::]:1").is_err());
    assert!(load("peer = ['nowhere']", "").is_err());
    assert!(load("seed-bytes = '00'", "").is_err());
    assert!(load("peer-limit = 0", "").is_err(), "nothing would ever come");
}

#[test]
fn a_named_file_has_to_exist() {
    let args = Args::parse_from(["convoy", "seed", "x", "--config", "/nonexistent/convoy.toml"]);
    let crate::args::Verb::Seed(seed) = args.verb else { panic!("not a seed") };
    let failure = Config::load(&seed.node, &seed.settings).expect_err("refused");
    assert!(failure.message().contains("/nonexistent/convoy.toml"));
}

#[test]
fn encryption_goes_by_all_its_names() {
    use convoy_core::mse::{Level, Policy};
    let names = [
        (["disabled", "tolerated"], Policy::Disabled),
        (["enabled", "preferred"], Policy::Enabled),
        (["required", "forced"], Policy::Required),
    ];
    for (names, policy) in names {
        for name in names {
            let by_flag = load("", &format!("--encryption {name} --encryption-level rc4")).expect("valid");
            let by_file =
                load(&format!("encryption = '{name}'\nencryption-level = 'rc4'"), "").expect("valid");
            assert_eq!(by_flag, by_file);
            let config = by_flag.engine().encryption;
            assert_eq!((config.outgoing, config.incoming, config.level), (policy, policy, Level::Rc4));
        }
    }
    let config = load("", "").expect("valid").engine().encryption;
    assert_eq!((config.outgoing, config.level), (Policy::Enabled, Level::Both));
}

#[test]
fn printed_settings_are_a_configuration_file() {
    let seed = "07".repeat(32);
    let flags = format!(
        "--peer host.example:1 --peer [::1]:2 --seed-bytes {seed} --state /s --no-dht --select 0,2-4 \
         --priority background --sequential --seed-ratio 1.5 --seed-time 90s"
    );
    let config = load("", &flags).expect("valid");
    assert_eq!(load(&config.to_toml().expect("printed"), "").expect("valid"), config);
}

#[test]
fn wishes_are_settings_too() {
    let by_file = load(
        "select = '0,2-4'\npriority = 'lobby'\nsequential = true\nseed-ratio = 2\nseed-time = '1m 30s'",
        "",
    );
    let by_flag = load("", "--select 0,2-4 --priority lobby --sequential --seed-ratio 2 --seed-time 90s");
    assert_eq!(by_file.expect("valid"), by_flag.expect("valid"));
    for text in ["select = 'all'", "priority = 'high'", "seed-ratio = -1", "seed-time = 90"] {
        assert!(load(text, "").is_err(), "{text}");
    }
}

#[test]
fn limits_of_zero_are_none() {
    let engine = load("", "-d 0 -u 1k --peer-limit 900").expect("valid").engine();
    assert_eq!(engine.download_rate_bytes_per_s, None);
    assert_eq!(engine.upload_rate_bytes_per_s, Some(1000));
    assert_eq!(engine.limits.connections_per_torrent, 900);
    assert_eq!(engine.limits.connections, 900);
}

#[test]
fn a_seed_is_64_hex_digits() {
    let text = "0123456789abcdefABCDEF".repeat(3)[..64].to_owned();
    assert_eq!(text.parse::<SeedBytes>().expect("valid").to_string(), text.to_lowercase());
    for text in ["", "0", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64), &"é".repeat(32)] {
        assert!(text.parse::<SeedBytes>().is_err(), "{text}");
    }
}
