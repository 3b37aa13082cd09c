//! `docker-compose.yml` starts what it should: an emulator, and three instances that wait for it.

use tenure::config::settings;

use crate::tidy::read;

const INSTANCES: [(&str, &str); 3] = [("one", "3000"), ("two", "3001"), ("three", "3002")];

/// What stands under `services.<name>`, line by line, without indentation.
fn service(name: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let file = read("docker-compose.yml");
    let mut lines = file.lines().filter(|line| !line.trim().is_empty());
    let head = format!("{name}:");
    lines.find(|line| indent(line) == 2 && line.trim_start().starts_with(&head)).unwrap();
    lines.take_while(|line| indent(line) > 2).map(|line| line.trim().to_owned()).collect()
}

/// The variables that the file sets, and their values.
fn environment() -> Vec<(String, String)> {
    let is_variable = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let file = read("docker-compose.yml");
    let pairs = file.lines().filter_map(|line| line.trim().split_once(": "));
    pairs
        .filter(|(name, _)| is_variable(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn three_instances_listen_on_three_ports_of_loopback() {
    for (name, port) in INSTANCES {
        let service = service(name);
        for line in [format!("APP_PORT: \"{port}\""), format!("ports: [\"127.0.0.1:{port}:{port}\"]")] {
            assert!(service.contains(&line), "{name} lacks {line}; it has {service:#?}");
        }
    }
    let ports = environment().into_iter().filter(|(name, _)| name == "APP_PORT").count();
    assert_eq!(ports, INSTANCES.len());
}

#[test]
fn instances_wait_until_the_emulator_answers() {
    let datastore = service("datastore");
    assert!(datastore.contains(&r#"test: ["CMD", "curl", "-fsS", "http://localhost:8081/"]"#.to_owned()));
    assert!(datastore.iter().any(|line| line.contains("--host-port=0.0.0.0:8081")));
    let one = service("one").join("\n");
    assert!(one.contains("depends_on:\ndatastore:\ncondition: service_healthy"));
    assert!(one.contains("DATASTORE_EMULATOR_HOST: datastore:8081"));
    for name in ["two", "three"] {
        assert_eq!(
            service(name)[..3],
            ["<<: *instance", "environment:", "<<: *environment"],
            "{name} is like one"
        );
    }
}

#[test]
fn every_variable_means_something_to_the_program() {
    let is_known = |name: &str| settings::ALL.iter().any(|setting| setting.env.contains(&name));
    let unknown = environment().into_iter().filter(|(name, _)| !is_known(name));
    assert_eq!(unknown.collect::<Vec<_>>(), []);
}
