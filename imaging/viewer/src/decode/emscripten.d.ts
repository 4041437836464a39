interface CodecSettings {
  locateFile: () => string;
}

declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  const factory: (settings: CodecSettings) => Promise<{ J2KDecoder: new () => never }>;
  export default factory;
}

declare module '@cornerstonejs/codec-openjph/wasmjs' {
  const factory: (settings: CodecSettings) => Promise<{ HTJ2KDecoder: new () => never }>;
  export default factory;
}

declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  const factory: (settings: CodecSettings) => Promise<{ JpegLSDecoder: new () => never }>;
  export default factory;
}
