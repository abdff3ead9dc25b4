"""Signatures of pointers: keys, what exactly is signed, and whose signature is trusted.

Whatever needs the library of cryptography imports it when it is called: that takes 40
ms of processor time, as long as a small check.
"""
