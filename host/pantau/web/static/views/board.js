// To come.

export class BoardView {
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
