// To come.

export class MapView {
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
