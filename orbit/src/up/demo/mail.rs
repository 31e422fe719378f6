//! The mailbox of the demo: what somebody finds who comes back from a week at the sea.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};

/// The one to star, the one to label, and the one that a draft answers.
pub const STARRED: &str = "Your ferry tickets";
/// See [`STARRED`].
pub const LABELLED: &str = "Quarterly review: the figures";
/// See [`STARRED`].
pub const ANSWERED: &str = "The analytical engine";

const ADA: &str = "Ada Wren <ada@analytical.example>";
const BOB: &str = "Bob Okafor <bob@workshop.example>";
const CLARA: &str = "Clara Lindholm <clara@hafen.example>";
const MIRA: &str = "Mira Castellan <mira@office.example>";
const SHOP: &str = "Papierhaus Nord <bestellung@papierhaus.example>";
const NEWS: &str = "The Slow Letter <letter@slow.example>";
const ME: &str = "Demo <demo@orbit.localhost>";

/// A message. `hours` counts back from now, `answers` names the message before it, `marks` are as Gmail writes them.
struct Letter {
    id: &'static str,
    from: &'static str,
    hours: i64,
    subject: &'static str,
    answers: Option<&'static str>,
    marks: &'static str,
    text: &'static str,
}

const fn letter(id: &'static str, from: &'static str, hours: i64, subject: &'static str, text: &'static str) -> Letter {
    Letter { id, from, hours, subject, answers: None, marks: "Inbox", text }
}

impl Letter {
    const fn answers(self, id: &'static str) -> Self {
        Self { answers: Some(id), ..self }
    }

    const fn marked(self, marks: &'static str) -> Self {
        Self { marks, ..self }
    }
}

const LETTERS: [Letter; 22] = [
    // The first thread: a machine.
    letter("engine-1", ADA, 170, "The analytical engine", "I have found the drawings of the mill again. The carriage of the third column is too wide by a hand: could you look at it before Friday?"),
    letter("engine-2", ME, 168, "Re: The analytical engine", "I will. Is the width that of the drawing, or that of the brass?").answers("engine-1").marked("Sent"),
    letter("engine-3", ADA, 150, "Re: The analytical engine", "That of the brass. The drawing is right, as drawings are.").answers("engine-2"),
    letter("engine-4", BOB, 30, "Re: The analytical engine", "I can turn a new carriage on Thursday if somebody brings me the old one. Tea is provided.").answers("engine-3").marked("Inbox,Unread"),
    // The second: holidays.
    letter("sea-1", CLARA, 140, "Zwei Wochen am Meer", "Wir haben das Haus mit den blauen Läden noch einmal bekommen, vom ersten bis zum vierzehnten. Kommt ihr wieder mit? Die Kinder fragen jeden Tag nach euch."),
    letter("sea-2", ME, 130, "Re: Zwei Wochen am Meer", "Sehr gerne! Wir müssen nur noch jemanden finden, der die Pflanzen gießt.").answers("sea-1").marked("Sent"),
    letter("sea-3", CLARA, 20, "Re: Zwei Wochen am Meer", "Das macht meine Nachbarin, sie hat einen grünen Daumen und viel Zeit. Die Fähre fährt um zehn nach acht.").answers("sea-2").marked("Inbox,Unread"),
    letter("ferry", "Coast Ferries <tickets@ferries.example>", 19, "Your ferry tickets", "Two adults, one bicycle. Departure 08:10 from pier 3. Please be there twenty minutes before."),
    // The third: work.
    letter("review-1", MIRA, 75, "Quarterly review: the figures", "The figures of the second quarter are in the shared folder. Three of them do not add up; I have marked them in yellow."),
    letter("review-2", ME, 70, "Re: Quarterly review: the figures", "Two were mine, and are mended. The third is the rent, which was paid twice.").answers("review-1").marked("Sent"),
    letter("review-3", MIRA, 6, "Re: Quarterly review: the figures", "Then we are done, and have a rent to ask back. Could you rehearse with me on Wednesday at three?").answers("review-2").marked("Inbox,Unread"),
    // And what else comes in.
    letter("order", SHOP, 100, "Ihre Bestellung ist unterwegs", "Guten Tag, Ihre Bestellung (zwei Notizbücher, kariert, und ein Füller) hat unser Haus verlassen und ist übermorgen bei Ihnen."),
    letter("library", "City Library <desk@library.example>", 96, "Notes on the Synthesis of Form is due", "The book that you have borrowed is due in five days. It can be kept for three weeks more unless somebody asks for it."),
    letter("plane", BOB, 90, "How to sharpen a plane", "You asked how I do it. Flatten the back once and for all, then work up a burr on the coarse stone, and take it off on the fine one. The rest is patience."),
    letter("choir", "Singers of the Harbour <choir@hafen.example>", 84, "Probe fällt aus", "Liebe alle, am Dienstag ist der Saal vergeben. Wir singen am Donnerstag doppelt so lange. Bitte bringt die Noten vom Frühjahr mit."),
    letter("bank", "Savings Bank <service@bank.example>", 66, "Your statement is ready", "The statement of last month can be read in your account. We never ask for passwords in letters.").marked("Archived"),
    letter("neighbour", "Jonas Weber <jonas@hafen.example>", 60, "Das Paket", "Euer Paket liegt bei mir. Ich bin bis neun zu Hause, danach im Garten, einfach rufen."),
    letter("printer", "Print Shop <proofs@print.example>", 50, "Second proof", "The blue of the cover is two shades lighter now, and the spine is where it should be. If you like it, we print on Monday.").marked("Inbox,Unread"),
    letter("sale", "Great Offers <win@offers.example>", 40, "You have won a cruise", "You have won. Send us the number of your card, so that we can send you the cruise.").marked("Spam,Unread"),
    letter("meeting", MIRA, 36, "Minutes of Monday", "We agreed on two things: the move is in May, and nobody brings cake to meetings before ten."),
    letter("old", "Coast Ferries <tickets@ferries.example>", 200, "Timetable of the winter", "From November on there is one ferry a day. It is worth being early.").marked("Trash"),
    letter("thanks", ADA, 3, "Thank you", "For the lamp, the drawings, and for reading all of this to the end.").marked("Inbox,Unread"),
];

/// A newsletter with HTML whose picture lies elsewhere, and a letter with a file.
const WHOLE: [(&str, &str, i64, &str, &str); 2] = [
    (
        "news",
        NEWS,
        12,
        "Inbox,Unread",
        "Subject: The Slow Letter, No. 7\r\nList-Unsubscribe: <mailto:leave@slow.example>\r\n\
         Content-Type: multipart/alternative; boundary=\"slow\"\r\n\r\n--slow\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         This time: why maps are folded the way they are, and a recipe for bread that takes two days.\r\n\
         --slow\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <html><body><h1>The Slow Letter</h1><p>This time: why maps are folded the way they are, and a <b>recipe</b> for \
         bread that takes two days.</p><img src=\"https://slow.example/loaf.jpg\" alt=\"A loaf\"></body></html>\r\n--slow--\r\n",
    ),
    (
        "plan",
        CLARA,
        18,
        "Inbox",
        "Subject: Packliste\r\nContent-Type: multipart/mixed; boundary=\"pack\"\r\n\r\n--pack\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nIm Anhang die Liste vom letzten Jahr, die Regenjacken habe ich dazugeschrieben.\r\n\
         --pack\r\nContent-Type: text/plain; charset=utf-8; name=\"packliste.txt\"\r\n\
         Content-Disposition: attachment; filename=\"packliste.txt\"\r\n\r\n\
         Regenjacken\r\nSonnenhut\r\nDas dicke Buch\r\nEin leeres Glas für Muscheln\r\n--pack--\r\n",
    ),
];

/// The mailbox, as a file of many messages, the oldest first.
pub fn mailbox(now: DateTime<Utc>) -> Vec<u8> {
    let mut all: Vec<(i64, String)> = LETTERS.iter().map(|letter| (letter.hours, of(letter, now))).collect();
    all.extend(WHOLE.iter().map(|(id, from, hours, marks, rest)| {
        (*hours, head(id, from, ME, now - TimeDelta::hours(*hours), marks) + rest)
    }));
    all.sort_by_key(|(hours, _)| std::cmp::Reverse(*hours));
    let mut file = vec![];
    for (hours, message) in all {
        // A vector takes whatever is written into it.
        let _ = orbit_adapters::mailbox::append(message.as_bytes(), now - TimeDelta::hours(hours), &mut file);
    }
    file
}

fn head(id: &str, from: &str, to: &str, date: DateTime<Utc>, marks: &str) -> String {
    format!(
        "Message-ID: <{id}@demo.orbit.localhost>\r\nFrom: {from}\r\nTo: {to}\r\nDate: {}\r\nX-Gmail-Labels: {marks}\r\n\
         MIME-Version: 1.0\r\n",
        date.to_rfc2822()
    )
}

fn of(letter: &Letter, now: DateTime<Utc>) -> String {
    let before = letter.answers.and_then(|id| LETTERS.iter().find(|before| before.id == id));
    let to = if letter.from == ME { before.map_or(ME, |before| before.from) } else { ME };
    let mut message = head(letter.id, letter.from, to, now - TimeDelta::hours(letter.hours), letter.marks);
    if let Some(before) = before {
        // As above.
        let _ = write!(
            message,
            "In-Reply-To: <{0}@demo.orbit.localhost>\r\nReferences: <{0}@demo.orbit.localhost>\r\n",
            before.id
        );
    }
    let subject = letter.subject;
    let _ = write!(message, "Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n", letter.text);
    message
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use orbit_adapters::mailbox::{Found, Kind, over};

    use super::*;

    #[test]
    fn the_mailbox_has_two_dozen_messages_and_those_that_are_spoken_of() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let found: Vec<_> = over(Cursor::new(mailbox(now)), Kind::Mbox, None).unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), 24);
        assert!(found.iter().all(|found| matches!(found, Found::Message(_))));
        for subject in [STARRED, LABELLED, ANSWERED] {
            assert_eq!(LETTERS.iter().filter(|letter| letter.subject == subject).count(), 1, "{subject}");
        }
        for letter in &LETTERS {
            assert!(letter.answers.is_none_or(|id| LETTERS.iter().any(|before| before.id == id)), "{}", letter.id);
        }
    }
}
