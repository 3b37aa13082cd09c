//! The page in a real browser.

use serde_json::json;

use super::driver::{self, Browser};
use super::{Laboratory, order, shown};

/// What an element takes of the window.
fn height(selector: &str) -> String {
    format!("document.querySelector('{selector}').getBoundingClientRect().height")
}

/// Moves the slider.
fn until(value: &str) -> String {
    format!(
        "(() => {{
            const slider = document.getElementById('until');
            slider.value = {value};
            slider.dispatchEvent(new Event('input'));
        }})()"
    )
}

/// The card of a node is in a class.
fn card(node: usize, class: &str) -> String {
    format!("document.querySelectorAll('.card')[{node}]?.classList.contains('{class}') === true")
}

fn summary(text: &str) -> String {
    format!("document.getElementById('summary').textContent === '{text}'")
}

#[test]
fn a_person_sees_on_the_page_what_he_does() {
    if !driver::is_here() {
        return;
    }
    let mut lab = Laboratory::new(&[90, 100, 110, 120], "300ms", &[]);
    let controller = lab.start_all("ring");
    let page = Browser::open(1280);
    page.go(&format!("http://{controller}/status"));
    page.wait(&summary("P3 leads."));
    page.wait(&card(3, "leads"));
    page.wait(&card(2, "deputy"));
    page.read("window.stays = true");

    let group = page.read("document.querySelector('#rows td:nth-child(3)').textContent");
    page.click("#begin");
    page.wait(&format!("document.querySelector('#rows td:nth-child(3)').textContent !== {group}"));
    page.wait("document.querySelectorAll('.log')[0].textContent.includes('a person orders: begin')");

    page.click("#kill-leader");
    page.wait(&card(3, "gone"));
    page.wait(&summary("P2 leads."));
    page.wait("document.querySelectorAll('#rows tr')[3].textContent.includes('down')");
    page.click("[aria-label='Restart P3']");
    page.wait(&summary("P3 leads."));

    // The pairs come in the order 01, 02, 12, 03, 13, 23.
    for pair in [2, 3, 4, 5] {
        page.click(&format!("#pairs > div:nth-child({pair}) input"));
    }
    page.click("#blocks button[type=submit]");
    page.wait(&summary("P1 and P3 lead."));
    page.wait("document.querySelector('#promises strong.bad')?.textContent === 'broken'");
    page.click("#reset");
    page.wait(&summary("P3 leads."));
    page.wait("document.querySelector('#promises strong.bad')?.textContent === 'was broken'");

    page.click("[aria-label='Pause P0']");
    page.wait(&card(0, "paused"));
    page.click("[aria-label='Resume P0']");
    page.wait(&format!("!({})", card(0, "paused")));

    assert_eq!(page.read("window.stays"), json!(true), "it was never loaded again");
    assert_eq!(page.complaints(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_message_on_the_page_leads_to_its_cause() {
    if !driver::is_here() {
        return;
    }
    let mut lab = Laboratory::new(&[0; 8], "2s", &["--patient"]);
    let controller = lab.start_all("exam");
    let page = Browser::open(360);
    page.go(&format!("http://{controller}"));
    page.wait(&summary("P7 leads."));
    lab.wait_for(7, &[0, 1, 2, 3, 4, 5, 6, 7]);
    lab.wait_for_silence();
    page.click("#plays button:first-child");
    page.wait("document.querySelectorAll('#steps .good').length === 7");
    page.wait("document.getElementById('counts').textContent === 'COORDINATOR 7, ELECTION 6, OK 3: 16'");
    page.wait("document.getElementById('formula').textContent.includes('takes 16:')");

    page.click("#steps li:nth-child(6) button");
    page.wait("document.getElementById('message').textContent.startsWith('OK from P6 to P5')");
    page.click("#message button");
    page.wait("document.getElementById('message').textContent.startsWith('ELECTION from P5 to P6')");
    page.wait("document.querySelectorAll('.said.chain').length === 2");

    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(page.read(fits), json!(true), "a phone does not scroll sideways");
    order(&controller, "/api/v1/stop", &json!({}));
    page.wait(&summary("The controller does not answer."));
}

#[test]
fn a_story_on_the_page_goes_back_and_forth_and_takes_no_orders() {
    if !driver::is_here() {
        return;
    }
    let mut lab = Laboratory::new(&[90, 100, 110, 120], "300ms", &[]);
    let controller = lab.start_all("ring");
    lab.wait("P3 leads", |_| (shown(&controller)[3]["leads"] == true).then_some(()));
    order(&controller, "/api/v1/leader/kill", &json!({}));
    lab.wait("P2 leads", |_| (shown(&controller)[2]["leads"] == true).then_some(()));
    let page = Browser::open(1280);
    page.go(&format!("http://{}", lab.replay()));
    page.wait(&summary("P2 leads."));
    page.read(&until("1"));
    page.wait(&summary("Nobody leads."));
    page.wait("[...document.querySelectorAll('.log')].every((log) => log.textContent === '')");
    page.read(&until("slider.max"));
    page.wait(&card(3, "gone"));
    page.wait("document.querySelectorAll('.log')[3].textContent.includes('is coordinator')");
    for orders in ["#whole", "#orders", ".card .buttons"] {
        assert_eq!(page.read(&height(orders)), json!(0), "{orders}");
    }
    assert_eq!(page.complaints(), Vec::<serde_json::Value>::new());
}
