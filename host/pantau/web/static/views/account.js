// Who is logged in, and the dialogs to log in, to change one's password and to log out. No password stays in the page.

import { el, put } from "../lib/dom.js";

export class Account {
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.button = action(() => (app.session.name ? this.#menu() : app.session.ask()), "account");
    root.append(this.button);
    this.dialog = el("dialog", "access");
    this.dialog.setAttribute("aria-labelledby", "access-title");
    this.dialog.addEventListener("close", () => this.#closed());
    document.body.append(this.dialog);
    this.settle = null; // ends the question that opened the dialog
    app.session.ask = (role) => this.#ask(role);
  }

  render() {
    const { session, text } = this.app;
    this.root.hidden = !session.possible;
    put(this.button, session.name || text.say("access.log_in"));
    this.button.title = session.name ? text.say("access.as", { name: session.name, role: text.say(`access.roles.${session.role}`) }) : "";
  }

  /** Open the login dialog; resolves to whether somebody who may do what `role` may is logged in. */
  #ask(role = "viewer") {
    this.settle?.(false);
    const { session, text } = this.app;
    return new Promise((settle) => {
      this.settle = () => settle(session.can(role));
      const name = field(text.say("access.name"), "text", "username");
      const password = field(text.say("access.password"), "password", "current-password");
      const why = role === "viewer" ? "" : text.say("access.needs", { role: text.say(`access.roles.${role}`) });
      this.#open(text.say("access.log_in"), why, [name, password], text.say("access.log_in"), async () => {
        await this.app.api.send("POST", "/api/session", { name: name.input.value, password: password.input.value });
        await this.#changed();
      });
    });
  }

  #menu() {
    const { session, text } = this.app;
    const old = field(text.say("access.old"), "password", "current-password");
    const fresh = field(text.say("access.new"), "password", "new-password");
    const out = action(() => this.#logOut(), "", text.say("access.log_out"));
    const who = text.say("access.as", { name: session.name, role: text.say(`access.roles.${session.role}`) });
    this.#open(session.name, who, [old, fresh], text.say("access.change"), async () => {
      await this.app.api.send("POST", "/api/session/password", { old: old.input.value, new: fresh.input.value });
      await this.#changed();
    }, out);
  }

  async #logOut() {
    try {
      await this.app.api.send("DELETE", "/api/session");
      await this.#changed();
      this.dialog.close();
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Somebody else reads from now on: ask for all of it again, and for their stream. */
  async #changed() {
    await this.app.session.load();
    this.app.relive();
    await this.app.reload();
  }

  #open(title, words, fields, does, act, ...more) {
    const { text } = this.app;
    const heading = el("h2", "", title);
    heading.id = "access-title";
    this.problem = el("p", "problem");
    this.problem.setAttribute("role", "alert");
    const go = el("button", "main", does);
    go.type = "submit";
    const row = el("div", "actions", null, go, ...more, action(() => this.dialog.close(), "plain", text.say("access.cancel")));
    const form = el("form", "", null, heading, el("p", "", words), ...fields.map(({ label }) => label), this.problem, row);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        await act();
        this.dialog.close();
      } catch (error) {
        this.#refused(error);
      }
      go.disabled = false;
    });
    this.dialog.replaceChildren(form);
    this.dialog.showModal();
    fields[0].input.focus();
  }

  #refused(error) {
    const { api, text } = this.app;
    if (error instanceof api.Problem) put(this.problem, text.say("refused", { detail: error.message }));
    else if (error instanceof TypeError) put(this.problem, text.say("unreached"));
    else throw error;
  }

  #closed() {
    this.dialog.replaceChildren(); // with what was typed
    this.settle?.();
    this.settle = null;
  }
}

function field(words, type, known) {
  const input = el("input");
  input.type = type;
  input.name = known;
  input.autocomplete = known;
  input.required = true;
  input.maxLength = 256;
  return { input, label: el("label", "", null, el("span", "", words), input) };
}

function action(act, kind, words = "") {
  const made = el("button", kind, words);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}
