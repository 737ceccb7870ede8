// To come: the login dialog and who is logged in.

export class Account {
  constructor(root, app) {
    this.root = root;
    this.app = app;
  }

  render() {}
}
