// Search from a folder. Browsers start no worker for a page opened as a file, so this runs the search worker's script in a
// hidden frame instead, and hands messages to and fro. On a server the browser's own worker is left as it is.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.append(this.frame);
      const inner = this.frame.contentWindow;
      const outer = this;
      inner.document.open();
      inner.document.write("<!doctype html><title>search</title>");
      inner.document.close();
      // what the worker says goes to the page; what it imports are scripts of this site, loaded one after another
      inner.postMessage = (data) => outer.dispatchEvent(new MessageEvent("message", { data }));
      inner.importScripts = (...scripts) =>
        Promise.all(scripts.map((script) => new Promise((loaded) => load(inner, script, loaded))));
      load(inner, address, () => {
        this.inner = inner;
        this.waiting.splice(0).forEach((data) => this.postMessage(data));
      });
    }
    postMessage(data) {
      if (this.inner) this.inner.dispatchEvent(new MessageEvent("message", { data }));
      else this.waiting.push(data);
    }
    set onmessage(listener) {
      this.addEventListener("message", listener);
    }
    terminate() {
      this.frame.remove();
    }
  };
  function load(inner, address, loaded) {
    const script = inner.document.createElement("script");
    script.src = new URL(address, location).href;
    script.onload = loaded;
    inner.document.head.append(script);
  }
}
