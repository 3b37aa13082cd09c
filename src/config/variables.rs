//! Variables of the environment that look like settings and are none.

use super::settings;
use super::words::suggest;
use crate::jobs::FACTS;
use crate::jobs::command::PREFIX;

/// What Kubernetes sets for a service whose name begins with ours: `TENURE_PORT_3000_TCP_ADDR` and the like.
const OF_SERVICES: [&str; 2] = ["PORT", "SERVICE"];

/// What to say of the variables among `names` that only look like settings.
pub(super) fn strange(names: &[String]) -> Vec<String> {
    let settings: Vec<_> = settings::ALL.iter().flat_map(|setting| setting.env).copied().collect();
    let ours: Vec<_> = settings.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    let strange = names.iter().filter_map(|name| {
        let rest = name.strip_prefix(PREFIX)?;
        let known = ours.contains(&rest) || FACTS.contains(&rest);
        let served = rest.split('_').any(|word| OF_SERVICES.contains(&word));
        (!known && !served).then(|| {
            let (name, advice) = (name.escape_debug(), suggest(rest, &ours));
            let advice = advice.replace("mean \"", &format!("mean \"{PREFIX}"));
            format!("no setting is called {name}, which is ignored; {advice}")
        })
    });
    strange.collect()
}
