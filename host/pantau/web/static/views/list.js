// To come.

export class ListView {
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
