// Who is logged in. `ask` opens the login dialog, which views/account.js puts here.

import * as api from "./api.js";

const ROLES = ["public", "viewer", "operator", "admin"];

export class Session {
  name = "";
  role = "public";
  possible = false; // whether this bridge knows people at all
  ask = async () => false; // resolves to true once somebody logged in

  async load() {
    const found = await api.get("/api/session").catch((error) => {
      if (error instanceof api.Problem) return null;
      throw error;
    });
    this.name = found?.name ?? "";
    this.role = found?.role ?? "public";
    this.possible = found?.possible ?? false;
  }

  can(role) {
    return ROLES.indexOf(this.role) >= ROLES.indexOf(role);
  }
}
