// To come.

export class NetworkView {
  constructor(root, app) {
    this.root = root;
    this.app = app;
  }

  open() {}
  close() {}
  render() {}
  changed() {}
  tick() {}
}
