//! What a configuration says, what wins, and what is said about one that is wrong.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tenure::config::{Config, ConfigError, Flags, MOST_JOBS, Surroundings};
use tenure::failure::Failure;
use tenure::lease::Balance;
use tenure::log::{Format, JobOutput};
use tenure::stores::{DatastorePlace, Place};

/// Everything that can be said about a configuration, in memory.
#[derive(Default)]
struct World {
    flags: Flags,
    env: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, String>,
}

impl World {
    fn file(text: &str) -> Self {
        Self::default().with_file("tenure.toml", text)
    }

    fn with_file(mut self, path: &'static str, text: &str) -> Self {
        self.files.insert(path, text.to_owned());
        self
    }

    fn flag(mut self, name: &'static str, value: &str) -> Self {
        self.flags.insert(name, value.to_owned());
        self
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.insert(name, value);
        self
    }

    fn load(&self) -> Result<Config, ConfigError> {
        let env = |name: &str| self.env.get(name).map(|value| (*value).to_owned());
        let read = |path: &Path| {
            let text = path.to_str().and_then(|path| self.files.get(path)).cloned();
            text.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let variables: Vec<_> = self.env.keys().map(|name| (*name).to_owned()).collect();
        let (flags, warden) = (&self.flags, None);
        Config::load(&Surroundings { flags, env: &env, variables: &variables, read: &read, warden })
    }

    fn good(&self) -> Config {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// What is wrong, one problem a line, without the lines that quote the file.
    fn wrong(&self) -> String {
        let Err(error) = self.load() else { panic!("nothing is wrong") };
        let problems = error.problems.iter().map(ToString::to_string);
        problems.map(|text| text.lines().next().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// Where `key` came from.
    fn source(&self, key: &str) -> String {
        let shown = self.good().shown;
        shown.iter().find(|one| one.key == key).unwrap_or_else(|| panic!("no {key}")).source.to_string()
    }
}

fn job(body: &str) -> World {
    World::file(&format!("[[job]]\nname = \"a\"\nevery = \"1m\"\n{body}"))
}

#[test]
fn without_any_configuration_the_two_preachers_of_the_seed_run_on_sqlite() {
    let config = World::default().good();
    let names: Vec<_> = config.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["go_preacher", "scala_preacher"]);
    let actions: Vec<_> = config.jobs.iter().map(|job| format!("{:?}", job.action)).collect();
    let preacher = |message: &str| format!("Preacher {{ message: {message:?}, times: 5, pause: 1s }}");
    let messages =
        ["Go is the best modern programming language", "Scala is the most exciting language on the JVM"];
    assert_eq!(actions, messages.map(preacher));
    assert!(config.jobs.iter().all(|job| job.schedule.fingerprint() == "every 60s"));
    assert_eq!(config.store, Place::Sqlite { path: "tenure.db".into() });
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 3000)));
    assert_eq!((config.application.as_str(), config.stage.as_str()), ("tenure", "local"));
    assert_eq!(
        (config.balance, config.job_output, config.log_format),
        (Balance::Spread, JobOutput::Json, Format::Json)
    );
}

#[test]
fn durations_derive_from_the_failover() {
    let timing = World::default().flag("failover", "60s").good().timing;
    let seconds = [timing.ttl, timing.heartbeat, timing.request, timing.grace, timing.margin, timing.kill];
    assert_eq!(seconds.map(|duration| duration.as_secs()), [60, 20, 10, 12, 6, 3]);
}

#[test]
fn a_name_is_drawn_in_the_style_of_docker() {
    let name = World::default().good().name;
    let (words, number) = name.split_at(name.find(|c: char| c.is_ascii_digit()).unwrap());
    assert!(words.split('_').count() >= 2 && !words.contains('-'), "{name}");
    assert!(number.parse::<u16>().is_ok(), "{name}");
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let nobody = World::default();
    assert_eq!(nobody.source("failover"), "default");
    let file = World::file("\nfailover = \"7s\"\n");
    assert_eq!((file.good().timing.ttl.as_secs(), file.source("failover")), (7, "tenure.toml:2".to_owned()));
    let env = file.env("TENURE_FAILOVER", "8s");
    assert_eq!(
        (env.good().timing.ttl.as_secs(), env.source("failover")),
        (8, "env TENURE_FAILOVER".to_owned())
    );
    let flag = env.flag("failover", "9s");
    assert_eq!((flag.good().timing.ttl.as_secs(), flag.source("failover")), (9, "--failover".to_owned()));
}

#[test]
fn app_port_wins_over_port_and_an_empty_variable_is_none() {
    let world = World::default().env("PORT", "8080");
    assert_eq!(world.good().listen.port(), 8080);
    let world = world.env("APP_PORT", "4000");
    assert_eq!(world.good().listen.port(), 4000);
    assert_eq!(world.env("APP_PORT", "").good().listen.port(), 8080);
}

#[test]
fn the_stage_and_the_application_come_from_the_environment() {
    let config = World::default().env("APP_STAGE", "production").env("APP_NAME", "pulpit").good();
    assert_eq!((config.stage.as_str(), config.application.as_str()), ("production", "pulpit"));
}

#[test]
fn another_file_can_be_named_and_must_then_be_there() {
    let files = || World::file("cluster = \"usual\"").with_file("other.toml", "cluster = \"other\"");
    assert_eq!(files().good().cluster, "usual");
    assert_eq!(files().env("TENURE_CONFIG", "other.toml").good().cluster, "other");
    assert_eq!(
        files().env("TENURE_CONFIG", "absent.toml").flag("config", "other.toml").good().cluster,
        "other"
    );
    assert!(files().flag("config", "absent.toml").wrong().starts_with("--config: cannot read absent.toml: "));
    assert!(
        files()
            .env("TENURE_CONFIG", "gone.toml")
            .wrong()
            .starts_with("TENURE_CONFIG: cannot read gone.toml: ")
    );
}

#[test]
fn the_variables_of_the_emulator_select_datastore() {
    let emulator = |address: &str| {
        Place::Datastore(DatastorePlace {
            project: "demo".to_owned(),
            database: String::new(),
            namespace: String::new(),
            emulator: Some(address.to_owned()),
        })
    };
    let printed_by_gcloud = World::default()
        .env("DATASTORE_DATASET", "demo")
        .env("DATASTORE_EMULATOR_HOST", "localhost:8081")
        .env("DATASTORE_EMULATOR_HOST_PATH", "localhost:8081/datastore")
        .env("DATASTORE_HOST", "http://localhost:8081")
        .env("DATASTORE_PROJECT_ID", "demo");
    assert_eq!(printed_by_gcloud.good().store, emulator("localhost:8081"));
    for (name, value) in [
        ("DATASTORE_EMULATOR_HOST", "[::1]:8081"),
        ("DATASTORE_EMULATOR_HOST_PATH", "[::1]:8081/datastore"),
        ("DATASTORE_HOST", "http://[::1]:8081"),
    ] {
        let alone = World::default().env("DATASTORE_DATASET", "demo").env(name, value);
        assert_eq!(alone.good().store, emulator("[::1]:8081"), "{name}");
    }
}

#[test]
fn a_project_alone_selects_googles_own_datastore() {
    let world = World::default()
        .env("DATASTORE_PROJECT_ID", "prod")
        .env("DATASTORE_DATABASE", "db")
        .env("DATASTORE_NAMESPACE", "ns");
    let [project, database, namespace] = ["prod", "db", "ns"].map(str::to_owned);
    let datastore = DatastorePlace { project, database, namespace, emulator: None };
    assert_eq!(world.good().store, Place::Datastore(datastore));
}

#[test]
fn a_store_that_is_named_wins_over_one_that_is_implied() {
    let emulated =
        || World::default().env("DATASTORE_EMULATOR_HOST", "localhost:1").env("DATASTORE_DATASET", "d");
    assert_eq!(emulated().flag("store", "memory").good().store, Place::Memory);
    assert_eq!(emulated().env("TENURE_STORE", "memory").good().store, Place::Memory);
    let named = emulated().with_file("tenure.toml", "store.kind = \"sqlite\"\nstore.path = \"x.db\"");
    assert_eq!(named.good().store, Place::Sqlite { path: "x.db".into() });
    let insisted = emulated().flag("path", "x.db");
    assert_eq!(insisted.good().store, Place::Sqlite { path: "x.db".into() });
    let outweighed = emulated().with_file("tenure.toml", "store.path = \"x.db\"");
    assert!(matches!(outweighed.good().store, Place::Datastore(_)));
}

#[test]
fn datastore_without_a_project_is_refused() {
    let world = World::file("[store]\nkind = \"datastore\"");
    let sentence = "the datastore store needs a project: set DATASTORE_PROJECT_ID or store.project";
    assert_eq!(world.wrong(), format!("tenure.toml:2:8: {sentence}"));
}

#[test]
fn every_word_of_a_file_is_checked_and_says_where_it_stands() {
    for (file, problem) in [
        (
            "evry = 1",
            "1:1: unknown key \"evry\"; write one of: cluster, name, failover, grace, balance, listen, advertise, port, application, stage, job_output, log_format, log, store, job",
        ),
        ("clustr = \"x\"", "1:1: unknown key \"clustr\"; did you mean \"cluster\"?"),
        ("[stor]", "1:2: unknown key \"stor\"; did you mean \"store\"?"),
        ("store = 5", "1:9: store is a table, not a whole number"),
        ("[store]\npth = \"x\"", "2:1: unknown key \"pth\"; did you mean \"path\"?"),
        ("store.kind = \"sqlight\"", "1:14: \"sqlight\" is not known here; did you mean \"sqlite\"?"),
        (
            "store.kind = \"replicated\"",
            "1:14: the replicated store comes in a later version; stores that work today: sqlite, datastore, memory",
        ),
        ("store.path = \"\"", "1:14: a path cannot be empty"),
        ("cluster = \"\"", "1:11: a name cannot be empty"),
        (
            "cluster = \"__x__\"",
            "1:11: a name cannot begin and end with two underscores: Datastore keeps those",
        ),
        ("name = \"a\\nb\"", "1:8: a name cannot contain control characters"),
        ("name = [1]", "1:8: expected a text, found a list"),
        ("stage = 1.5", "1:9: expected a text, found a number"),
        ("failover = true", "1:12: expected a text, found true or false"),
        (
            "failover = 10",
            "1:12: \"10\" is not a duration; write it like \"500ms\", \"10s\", \"1.5s\" or \"1h30m\"",
        ),
        ("failover = \"499ms\"", "1:12: 499ms is not between 500ms and 1h"),
        ("failover = \"61m\"", "1:12: 61m is not between 500ms and 1h"),
        ("balance = \"sprea\"", "1:11: \"sprea\" is not known here; did you mean \"spread\"?"),
        (
            "listen = \"localhost\"",
            "1:10: \"localhost\" is not an IP address; write one like 127.0.0.1, and the port as --port or APP_PORT",
        ),
        ("port = 65536", "1:8: \"65536\" is not a port; write a number from 0 to 65535"),
        ("job_output = \"rw\"", "1:14: \"rw\" is not known here; write one of: json, raw"),
        ("log_format = \"yaml\"", "1:14: \"yaml\" is not known here; write one of: json, gcp, text"),
        ("job = 1", "1:7: write each job as a table under [[job]]"),
        ("job = [1]", "1:8: job is a table, not a whole number"),
    ] {
        assert_eq!(World::file(file).wrong(), format!("tenure.toml:{problem}"), "{file}");
    }
}

#[test]
fn every_word_of_a_job_is_checked_and_says_where_it_stands() {
    for (body, problem) in [
        ("", "1:1: job.a has no \"preacher\" or \"command\" or \"http\", which it needs"),
        ("preacher = \"hi\"", "4:12: job.a.preacher is a table, not a text"),
        ("preacher = {}", "4:12: job.a.preacher has no \"message\", which it needs"),
        ("preacher.mesage = \"x\"", "4:10: unknown key \"mesage\"; did you mean \"message\"?"),
        ("preacher.message = \"\"", "4:20: a message has 1 to 10000 bytes, this one has 0"),
        ("preacher = { message = \"x\", times = 0 }", "4:37: 0 is not between 1 and 1000"),
        ("preacher = { message = \"x\", times = -1 }", "4:37: \"-1\" is not a whole number"),
        ("preacher = { message = \"x\", pause = \"2h\" }", "4:37: 2h is not between 0s and 1h"),
        (
            "preacher.message = \"x\"\ncron = \"* * * * *\"",
            "5:8: job.a has both \"every\" and \"cron\"; keep one",
        ),
        ("preacher.message = \"x\"\ngap = \"skip\"", "5:7: \"gap\" goes with \"cron\", not with \"every\""),
        ("preacher.message = \"x\"\njitter = \"25h\"", "5:10: 25h is not between 0s and 1d"),
    ] {
        assert_eq!(job(body).wrong(), format!("tenure.toml:{problem}"), "{body}");
    }
    let every =
        |text: &str| World::file(&format!("[[job]]\nname=\"a\"\nevery=\"{text}\"\npreacher.message=\"x\""));
    assert_eq!(every("99ms").wrong(), "tenure.toml:3:7: 99ms is not between 100ms and 366d");
    assert_eq!(every("367d").wrong(), "tenure.toml:3:7: 367d is not between 100ms and 366d");
    every("100ms").good();
    every("366d").good();
}

#[test]
fn a_command_or_a_request_that_cannot_be_is_refused_where_it_stands() {
    for (body, problem) in [
        ("command = \"ls -l\"", "4:11: write command as a list, such as [\"one\", \"two\"]; found a text"),
        ("command = []", "4:11: name a program first, such as [\"pg_dump\", \"--file\", \"db.sql\"]"),
        ("command = [\"a\", [\"b\"]]", "4:17: expected a text, found a list"),
        ("command.run = [\"a\\u0000\"]", "4:16: no program takes a NUL character"),
        ("command.dir = \"x\"", "4:1: job.a.command has no \"run\", which it needs"),
        ("command = { run = [\"a\"], dirr = \"x\" }", "4:26: unknown key \"dirr\"; did you mean \"dir\"?"),
        ("command = { run = [\"a\"], env = [] }", "4:32: job.a.command.env is a table, not a list"),
        ("command = { run = [\"a\"], env.\"A=B\" = \"1\" }", "4:38: \"A=B\" cannot name a variable"),
        (
            "command = { run = [\"a\"], env.TENURE_TERM = \"1\" }",
            "4:44: variables that begin with TENURE_ tell of the run; take another name",
        ),
        (
            "command = { run = [\"a\"], output = \"1MB\" }",
            "4:35: \"1MB\" is not a size; write it like \"64KiB\" or \"1MiB\"",
        ),
        ("command = { run = [\"a\"], output = \"2GiB\" }", "4:35: 2GiB is more than 1GiB"),
        ("command = [\"a\"]\nhttp = \"http://x\"", "5:8: job.a has both \"command\" and \"http\"; keep one"),
        ("http = \"x\"", "4:8: this is no URL of HTTP; write http://host:port/path"),
        (
            "http = \"https://x\"",
            "4:8: this is encrypted, which does not work yet; write http://host:port/path",
        ),
        (
            "http = \"http://me:pass@x\"",
            "4:8: no URL with a password in it: write a header Authorization, from a file",
        ),
        (
            "http = { url = \"http://x\", method = \"post\" }",
            "4:37: \"post\" is not known here; write one of: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        (
            "http = { url = \"http://x\", success = [\"ok\"] }",
            "4:39: \"ok\" is no status; write \"204\" or \"2xx\"",
        ),
        ("http = { url = \"http://x\", timeout = \"0s\" }", "4:38: 0s is not between 1ms and 1d"),
        ("http = { url = \"http://x\", headers.\"a b\" = \"1\" }", "4:44: \"a b\" cannot name a header"),
        (
            "http = { url = \"http://x\", headers.Authorization = \"Bearer x\" }",
            "4:52: Authorization is secret: write it into a file, and here \"file:/path/of/that/file\"",
        ),
        (
            "http = { url = \"http://x\", headers.Content-Length = \"1\" }",
            "4:53: Content-Length follows from the rest: leave it out",
        ),
        (
            "http = { url = \"http://x\", headers.Tenure-Term = \"1\" }",
            "4:50: headers that begin with tenure- tell of the run; take another name",
        ),
    ] {
        assert_eq!(job(body).wrong(), format!("tenure.toml:{problem}"), "{body}");
    }
}

#[test]
fn no_mistake_quotes_what_may_be_secret() {
    for body in [
        "http = \"https://me:hunter22@x\"",
        "http = { url = \"http://x\", headers.Authorization = \"Bearer hunter22\" }",
        "command = { run = [\"a\"], env = { TENURE_A = \"hunter22\" } }",
    ] {
        let Err(error) = job(body).load() else { panic!("nothing is wrong") };
        assert!(!error.to_string().contains("hunter22") && error.to_string().contains("**"), "{error}");
    }
}

#[test]
fn a_command_and_a_request_are_short_to_write_and_complete_to_show() {
    let shown = |body: &str| {
        let shown = job(body).good().shown.into_iter();
        let work =
            shown.filter(|one| ["job.a.command", "job.a.http"].iter().any(|key| one.key.starts_with(key)));
        work.map(|one| format!("{} {}", one.key, one.value)).collect::<Vec<_>>()
    };
    assert_eq!(shown("command = [\"ls\", \"-l\"]"), [r#"job.a.command ["ls","-l"]"#]);
    assert_eq!(shown("http = \"http://x\""), ["job.a.http http://x"]);
    assert_eq!(
        shown("command = { run = [\"ls\"], env = { A = \"file:/run/a\", B = \"b\" } }"),
        [
            r#"job.a.command.run ["ls"]"#,
            "job.a.command.env.A file:/run/a",
            "job.a.command.env.B b",
            "job.a.command.output 1MiB"
        ]
    );
    let http = shown("http = { url = \"http://x\" }");
    let defaults = ["method POST", "body ", "success [\"2xx\"]", "timeout 30s"];
    assert_eq!(http[1..], defaults.map(|default| format!("job.a.http.{default}")));
}

#[test]
fn a_calendar_that_cannot_be_is_refused_where_it_stands() {
    let due = |lines: &str| World::file(&format!("[[job]]\nname=\"a\"\npreacher.message=\"x\"\n{lines}"));
    for (lines, problem) in [
        ("", "1:1: job.a has no \"every\" or \"cron\" or \"at\" or \"while\", which it needs"),
        ("while=\"led\"", "4:7: \"led\" is not known here; did you mean \"leading\"?"),
        ("while=\"leading\"\nzone=\"UTC\"", "5:6: \"zone\" goes with \"cron\", not with \"while\""),
        ("while=\"leading\"\nretries=3", "5:9: \"retries\" goes with \"every\", not with \"while\""),
        ("cron=\"60 * * * *\"", "4:6: \"60\" cannot be a minute (0-59): Number out of bounds"),
        (
            "cron=\"@daily\"\nzone=\"Europe/Athen\"",
            "5:6: \"Europe/Athen\" is no time zone; did you mean \"Europe/Athens\"?",
        ),
        (
            "cron=\"@daily\"\nzone=\"x\"",
            "5:6: \"x\" is no time zone; write one like \"Europe/Athens\" or \"UTC\"",
        ),
        ("cron=\"@daily\"\ngap=\"run\"", "5:5: \"run\" is not known here; did you mean \"run-after\"?"),
        ("cron=\"@daily\"\noverlap=\"x\"", "5:9: \"x\" is not known here; write one of: first, both"),
        (
            "at=\"tomorrow\"",
            "4:4: \"tomorrow\" is no moment; write it like \"2027-01-31T09:00:00Z\", or without the Z in the job's zone",
        ),
    ] {
        assert_eq!(due(lines).wrong(), format!("tenure.toml:{problem}"), "{lines}");
    }
    let fingerprint = |lines: &str| due(lines).good().jobs[0].schedule.fingerprint();
    for moment in ["2027-01-31T09:00:00+02:00", "2027-01-31T09:00[Europe/Athens]", "2027-01-31T09:00"] {
        let lines = format!("at=\"{moment}\"\nzone=\"Europe/Athens\"");
        assert_eq!(fingerprint(&lines), "at 2027-01-31T07:00:00.000000000Z");
    }
    let by_name = fingerprint("cron=\"H 3 * * *\"\nzone=\"Africa/Cairo\"\ngap=\"skip\"\noverlap=\"both\"");
    assert!(
        by_name.starts_with("cron 0 ") && by_name.ends_with(" 3 * * * Africa/Cairo Skip Both"),
        "{by_name}"
    );
}

#[test]
fn all_problems_are_said_at_once_from_top_to_bottom() {
    let world = World::file(
        "failover = \"soon\"\n\n[[job]]\nname = \"a\"\nevry = \"1m\"\npreacher = { message = \"x\", tims = 2 }\n\n\
         [[job]]\nname = \"a\"\nevery = \"1h\"\npreacher = { message = \"x\" }\n\n[store]\nkind = \"redis\"\n",
    );
    let world = world.flag("port", "x").env("TENURE_BALANCE", "heap");
    let lines = world.wrong();
    let places: Vec<_> = lines.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    let spots = ["1:12", "5:1", "6:29", "9:8", "14:8"].map(|spot| format!("tenure.toml:{spot}"));
    assert_eq!(places.len(), 2 + spots.len(), "{lines}");
    assert!(places[..2].contains(&"--port") && places[..2].contains(&"TENURE_BALANCE"), "{lines}");
    assert_eq!(places[2..], spots, "{lines}");
}

#[test]
fn all_problems_of_one_job_are_said_at_once() {
    let wrong = World::file(
        "[[job]]\nname=\"a\"\ncron=\"60 * * * *\"\nzone=\"x\"\ngap=\"x\"\noverlap=\"x\"\njitter=\"x\"\nmissed=\"x\"\n\
         missed_within=\"x\"\non_orphan=\"x\"\nretries=-1\nbackoff=\"x\"\ntimeout=\"x\"\npreacher.message=\"\"",
    )
    .wrong();
    let places: Vec<_> = wrong.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    let lines: Vec<_> = places.iter().map(|place| place.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, (3..=14).map(|line| line.to_string()).collect::<Vec<_>>(), "{wrong}");
}

#[test]
fn a_problem_shows_its_line_and_points_at_it() {
    let Err(error) = World::file("# 日本\n\tbalance = \"ärm\" # \u{85}").load() else {
        panic!("nothing is wrong")
    };
    let expected = "tenure.toml:2:12: \"ärm\" is not known here; write one of: spread, sticky\n \
                    2 | \tbalance = \"ärm\" # \u{fffd}\n   | \t          ^^^^^";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_not_toml_is_refused_where_it_stops_being_toml() {
    for (file, place) in
        [("a = ", "1:5"), ("x = 1\ny = \"open", "2:10"), ("cluster = \"a\"\ncluster = \"b\"", "2:1")]
    {
        let wrong = World::file(file).wrong();
        assert!(wrong.starts_with(&format!("tenure.toml:{place}: ")), "{wrong}");
    }
}

#[test]
fn a_byte_order_mark_and_the_line_ends_of_windows_make_no_difference() {
    let file = |line: &str| World::file(&format!("\u{feff}{line}\r\nfailover = \"7s\"\r\n"));
    let good = file("cluster = \"x\"").good();
    assert_eq!((good.cluster.as_str(), good.timing.ttl.as_secs()), ("x", 7));
    let wrong = "tenure.toml:1:1: unknown key \"clustr\"; did you mean \"cluster\"?";
    assert_eq!(file("clustr = \"x\"").wrong(), wrong);
}

#[test]
fn no_bytes_of_a_file_make_the_reader_panic() {
    let good = "[[job]]\nname = \"ä\"\nevery = \"1m\"\npreacher = { message = \"日本\", times = 0x10 }\r\n[store]\nkind = 'x'";
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..3000 {
        let mut text: Vec<char> = good.chars().collect();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..text.len().max(1));
            match random.u8(..3) {
                0 => text.truncate(at),
                1 => text.insert(at.min(text.len()), random.char(..)),
                _ => drop(text.drain(at..text.len().min(at + 3))),
            }
        }
        if let Err(error) = World::file(&String::from_iter(text)).load() {
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn two_jobs_cannot_share_a_name() {
    let one = "[[job]]\nname = \"a\"\nevery = \"1m\"\npreacher.message = \"x\"\n";
    let wrong = World::file(&format!("{one}\n{one}")).wrong();
    assert_eq!(wrong, "tenure.toml:7:8: another job has this name (tenure.toml:2); each job needs its own");
}

#[test]
fn a_job_may_have_any_name_in_any_script() {
    for name in ["日本語の仕事", "مهمة", "a b/c:d.e", "🦀", "\\u200b", "job", "\\\"quoted\\\""] {
        let file = format!("[[job]]\nname = \"{name}\"\nevery = \"1m\"\npreacher.message = \"x\"");
        assert_eq!(World::file(&file).good().jobs.len(), 1, "{name}");
    }
    let wrong = World::file("[[job]]\nname = \"\"\nevery = \"1m\"\npreacher.message = \"x\"").wrong();
    assert_eq!(wrong, "tenure.toml:2:8: a job's name cannot be empty");
}

#[test]
fn ten_thousand_jobs_are_read_and_one_more_is_refused() {
    let jobs = |count: usize| {
        let job = |n| format!("[[job]]\nname=\"{n}\"\nevery=\"1m\"\npreacher.message=\"x\"\n");
        World::file(&(0..count).map(job).collect::<String>())
    };
    assert_eq!(jobs(MOST_JOBS).good().jobs.len(), MOST_JOBS);
    assert!(jobs(MOST_JOBS + 1).wrong().contains("10001 jobs are too many"));
}

#[test]
fn a_grace_that_does_not_fit_is_refused_with_the_sum() {
    let sum = "a grace of 4s does not fit into a failover of 10s: heartbeat 3.333s + request 1.667s + grace 4s \
               + kill 500ms = 9.5s, which must be less than failover 10s - margin 1s = 9s; choose a grace below 3.5s \
               or a longer failover";
    assert_eq!(World::file("grace = \"4s\"").wrong(), format!("tenure.toml:1:9: {sum}"));
    assert_eq!(World::default().flag("grace", "3.4s").good().timing.grace, Duration::from_millis(3400));
    World::file("grace = \"4s\"").flag("failover", "12s").good();
}

#[test]
fn an_emulator_needs_a_host_and_a_port() {
    for address in
        ["localhost", "localhost:", ":8081", "localhost:0", "https://datastore.googleapis.com", "a b:1"]
    {
        let wrong = World::default().env("DATASTORE_HOST", address).env("DATASTORE_DATASET", "d").wrong();
        assert!(wrong.starts_with("DATASTORE_HOST: ") && wrong.ends_with("write host:port"), "{wrong}");
    }
}

#[test]
fn an_unusable_filter_is_refused() {
    for filter in ["tenure=loud", "dbug", "info,loud", "=["] {
        let wrong = World::default().env("TENURE_LOG", filter).wrong();
        assert!(wrong.starts_with("TENURE_LOG: ") && wrong.contains("write it like \"info\""), "{wrong}");
    }
    for filter in
        ["debug", "INFO", "off", "3", "tenure", "tenure::drive", "warn,tenure::drive=debug", "info,h2"]
    {
        World::default().env("TENURE_LOG", filter).good();
    }
}

#[test]
fn only_a_wrong_command_line_is_a_usage_error() {
    let code = |world: World| Failure::from(world.load().unwrap_err()).exit_code();
    assert_eq!(code(World::default().flag("port", "x")), 2);
    assert_eq!(code(World::default().env("APP_PORT", "x")), 78);
    assert_eq!(code(World::file("port = \"x\"").flag("failover", "x")), 78);
}

#[test]
fn a_variable_that_only_looks_like_a_setting_is_pointed_at() {
    let world = World::default()
        .env("TENURE_FAILOVR", "5s")
        .env("TENURE_FAILOVER", "5s")
        .env("TENURE_ATTEMPT", "1")
        .env("TENURE_SERVICE_HOST", "10.0.0.1")
        .env("TENURE_PORT_3000_TCP", "tcp://10.0.0.1:3000");
    let expected = "no setting is called TENURE_FAILOVR, which is ignored; did you mean \"TENURE_FAILOVER\"?";
    assert_eq!(world.good().warnings, [expected]);
}

#[test]
fn instances_that_are_configured_alike_have_one_fingerprint() {
    let of = |text: &str| World::file(text).good().fingerprint;
    let text = "[[job]]\nname = \"a\"\nevery = \"1m\"\ncommand = [\"true\"]\n";
    assert_eq!(of(text), of(&format!("# the same\nport = 3001\nname = \"owl\"\n{text}")));
    assert_ne!(of(text), of(&text.replace("1m", "2m")));
    assert_ne!(of(text), of(&format!("failover = \"7s\"\n{text}")));
}

#[test]
fn a_store_in_memory_is_no_file() {
    for path in [":memory:", "file::memory:?cache=shared"] {
        assert!(World::default().flag("path", path).wrong().contains("say --store memory"));
    }
}
