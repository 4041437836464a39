/** Stands in for modules that only register what is not used. */
export {};
