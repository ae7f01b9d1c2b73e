"use strict";

/* A long table is laid out again and again while it is read; where scripts will make it anew it
   is hidden from the start, and shown after all if a script fails. */
document.documentElement.classList.add("scripting");
addEventListener("error", () => document.documentElement.classList.remove("scripting"));
