"""How fast is it on this device?"""
