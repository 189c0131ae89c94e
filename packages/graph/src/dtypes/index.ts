/** The list of dtypes. Adding one = its file, its line here, and a decode function in the kernels. */
export {};
